// The function app on Flex Consumption, and App Service Authentication (Easy Auth) in front of it.
param suffix string
param location string
param tags { *: string }
param identityId string
param identityClientId string
param pythonVersion string
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReadyInstances int
param subnetId string
param runtimeStorageName string
param deploymentContainer string
param insightsConnection string
param workspaceId string
param authClientId string
param unauthenticatedClientAction string

@description('The settings of shared/settings.')
param exportSettings { *: string }

resource runtime 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: runtimeStorageName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${suffix}'
  location: location
  tags: tags
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${suffix}'
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2', http20Enabled: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${runtime.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        // Python gets one request at a time per instance by default: ten people who poll would start ten instances. The
        // routes are asynchronous and wait for storage.
        triggers: { http: { perInstanceConcurrency: 16 } }
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'durable', instanceCount: alwaysReadyInstances }]
      }
      runtime: { name: 'python', version: pythonVersion }
    }
  }

  // Deployment goes by identity, so the passwords of old are switched off.
  resource ftpPassword 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }
  resource scmPassword 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(exportSettings, {
      // The runtime's storage, by identity. Durable needs all three services.
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: runtime.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: runtime.properties.primaryEndpoints.queue
      AzureWebJobsStorage__tableServiceUri: runtime.properties.primaryEndpoints.table
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      // Which identity the code is, and that no other way to sign in is tried.
      AZURE_CLIENT_ID: identityClientId
      AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
      // Easy Auth proves itself to Entra with this identity: there is no client secret that could leak or expire.
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId
      WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
      // The worker brings packages of its own, an older azure-functions among them. Without this they come before the
      // pinned ones, and what was tested is not what runs.
      PYTHON_ISOLATE_WORKER_DEPENDENCIES: '1'
      // For the remote build, which has the app settings: pip then writes .pyc files that are checked by their source's
      // hash. Those that are checked by time are all invalid after the build has copied them, and each cold start
      // compiles every package anew. The value itself means nothing.
      SOURCE_DATE_EPOCH: '315532800'
    })
  }

  resource auth 'config' = if (!empty(authClientId)) {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: true, runtimeVersion: '~1' }
      globalValidation: {
        requireAuthentication: true
        unauthenticatedClientAction: unauthenticatedClientAction
        redirectToProvider: 'azureactivedirectory'
      }
      httpSettings: { requireHttps: true }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            clientId: authClientId
            clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
            openIdIssuer: uri(environment().authentication.loginEndpoint, '${tenant().tenantId}/v2.0')
          }
          // A token of version 2 names the client id, one of version 1 the address that was asked for.
          validation: { allowedAudiences: [authClientId, 'api://${authClientId}'] }
        }
      }
      login: {
        // The app uses nobody's token, so none is kept.
        tokenStore: { enabled: false }
        // Directory roles are in the sign-in: one that was taken away ends with it, so it lasts an hour, not eight.
        cookieExpiration: { convention: 'FixedTime', timeToExpiration: '01:00:00' }
        // The page keeps its place behind #.
        preserveUrlFragmentsForLogins: true
      }
    }
    dependsOn: [settings]
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: app
  properties: {
    workspaceId: workspaceId
    // The group, because which categories there are depends on the plan.
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
