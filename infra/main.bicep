// Everything that a deployment needs, in one resource group. `azd up` runs this; docs/deploying.md explains it.
// Plain resources, no modules from a registry: it compiles without a network.
targetScope = 'subscription'

@minLength(1)
@maxLength(32)
@description('Name of the azd environment; part of the names of all resources.')
param environmentName string

@description('Azure region; Flex Consumption must be offered there.')
param location string

@description('Resource group; empty: rg-<environment>.')
param resourceGroupName string = ''

@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string = '3.12'

@description('Memory of an instance in MB. Each process reads up to 48 ranges at a time (host.json), with 3 to 7 MB for each.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('The largest number of instances; at least 40. One instance can read all 40 lanes of an export.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run, and are always paid for. 0: the first export after a pause waits for a cold start.')
@minValue(0)
@maxValue(40)
param alwaysReadyInstances int = 0

// ---- Who may call -------------------------------------------------------------------------------------------------

@description('Client id of the app registration that people and Logic Apps sign in to; set by infra/hooks/entra.py. Empty: no Easy Auth, and the app refuses everyone with 503.')
param authClientId string = ''

@description('The answer of Easy Auth to a caller without a sign-in. RedirectToLoginPage opens the page after the sign-in. A call with a bad token always gets 401.')
@allowed(['RedirectToLoginPage', 'Return401'])
param unauthenticatedClientAction string = 'RedirectToLoginPage'

// ---- What the identity may read (granted by infra/hooks/entra.py) ----------------------------------------------------

@description('Authentication phone numbers and e-mail addresses of users, in the columns authentication*.')
param readAuthenticationMethods bool = true

@description('Sign-in activity and the registration report: the columns lastSignInDateTime, isMfaRegistered and their like; wants a P1 licence.')
param readSignInActivity bool = false

@description('Names of the products of this tenant: the columns licenses and their like.')
param readLicenses bool = false

@description('Directory roles of users, also by way of a group or over an administrative unit: the column directoryRoles.')
param readDirectoryRoles bool = false

@description('Custom security attributes of users: the columns customSecurityAttributes.SET.NAME.')
param readCustomSecurityAttributes bool = false

@description('Members of groups: exports with the scope group.')
param readGroupMembers bool = false

@description('Members of administrative units: exports with the scope administrativeUnit.')
param readAdministrativeUnits bool = false

@description('Members of groups and administrative units that hide them; only beside readGroupMembers or readAdministrativeUnits.')
param readHiddenMembers bool = false

// ---- The app's settings; those that are left empty have the defaults of shared/settings -------------------------------

@description('The address of Microsoft Graph. Empty: the one of the cloud that you deploy to.')
param graphEndpoint string = ''
param exportContainer string = 'exports'
@description('The number of days after which the storage itself deletes an export.')
param exportRetentionDays int = 7
param exportRangeUsers string = ''
param exportParallel string = ''
param exportSasMinutes string = ''
@description('documented, portal, profile, preview or people; empty: documented, or profile when authentication methods may not be read.')
param exportDefaultColumns string = ''
@description('Role template ids and app roles that may export, with commas between.')
param exportAllowedRoles string = ''
@description('Hosts that callbackUrl may have, with commas between.')
param exportCallbackHosts string = ''
@description('The number of exports that one caller may have running.')
param exportMaxRunning string = ''
@description('Who may export the authentication columns; empty: everyone in exportAllowedRoles.')
param exportAuthenticationRoles string = ''
@description('Whose authentication methods are read: registered or all.')
param exportAuthenticationAsk string = ''
@description('A file or blob with product names for the column licenses.')
param exportLicenseNames string = ''
@description('Public address or range (FROM-TO) from which download links work.')
param exportSasIpRange string = ''
@description('The address of a gateway in front of the app (such as Front Door), for Location and links.')
param exportPublicUrl string = ''

// ---- Network and operations ------------------------------------------------------------------------------------------

@description('Subnet for outgoing traffic, delegated to Microsoft.App/environments, with the service endpoint Microsoft.Storage. With a subnet, storage is closed to all other networks.')
param subnetId string = ''

@description('Public addresses or ranges from which people download, when storage is closed by subnetId.')
param downloadIpRanges string = ''

@description('The e-mail address that gets the alerts. Empty: alerts show only in the portal.')
param alertEmail string = ''

@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

var tags = { 'azd-env-name': environmentName }
var suffix = uniqueString(subscription().id, environmentName, location)

var graphEndpoints = {
  AzureCloud: 'https://graph.microsoft.com'
  AzureUSGovernment: 'https://graph.microsoft.us' // DoD: set graphEndpoint to https://dod-graph.microsoft.us
  AzureChinaCloud: 'https://microsoftgraph.chinacloudapi.cn'
}
var graphRoot = empty(graphEndpoint) ? graphEndpoints[environment().name] : graphEndpoint

// The same list is what a token of the simulated tenant may do: one that is not granted here fails on a desk, too.
var permissions = loadJsonContent('graph-permissions.json')
var graphPermissions = union(
  permissions.always,
  readAuthenticationMethods ? permissions.readAuthenticationMethods : [],
  readSignInActivity ? permissions.readSignInActivity : [],
  readLicenses ? permissions.readLicenses : [],
  readDirectoryRoles ? permissions.readDirectoryRoles : [],
  readCustomSecurityAttributes ? permissions.readCustomSecurityAttributes : [],
  readGroupMembers ? permissions.readGroupMembers : [],
  readAdministrativeUnits ? permissions.readAdministrativeUnits : [],
  readHiddenMembers ? permissions.readHiddenMembers : []
)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  scope: group
  params: {
    name: 'id-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    retentionDays: logRetentionDays
  }
}

module storage 'app/storage.bicep' = {
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    exportContainer: exportContainer
    retentionDays: exportRetentionDays
    subnetId: subnetId
    downloadIpRanges: empty(downloadIpRanges) ? [] : split(downloadIpRanges, ',')
    workspaceId: monitoring.outputs.workspaceId
  }
}

module function 'app/function.bicep' = {
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: subnetId
    runtimeStorageName: storage.outputs.runtimeName
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnection: monitoring.outputs.insightsConnection
    workspaceId: monitoring.outputs.workspaceId
    authClientId: authClientId
    unauthenticatedClientAction: unauthenticatedClientAction
    exportSettings: {
      GRAPH_ENDPOINT: graphRoot
      EXPORT_STORAGE__blobServiceUri: storage.outputs.exportsBlobUri
      EXPORT_CONTAINER: exportContainer
      EXPORT_RANGE_USERS: exportRangeUsers
      EXPORT_PARALLEL: exportParallel
      EXPORT_SAS_MINUTES: exportSasMinutes
      // Without the permission, asking for these columns by default would make every export CompletedWithErrors.
      EXPORT_DEFAULT_COLUMNS: !empty(exportDefaultColumns)
        ? exportDefaultColumns
        : (readAuthenticationMethods ? 'documented' : 'profile')
      EXPORT_ALLOWED_ROLES: exportAllowedRoles
      EXPORT_CALLBACK_HOSTS: exportCallbackHosts
      EXPORT_RETENTION_DAYS: string(exportRetentionDays)
      EXPORT_MAX_RUNNING: exportMaxRunning
      EXPORT_AUTHENTICATION_ROLES: exportAuthenticationRoles
      EXPORT_AUTHENTICATION_ASK: exportAuthenticationAsk
      EXPORT_LICENSE_NAMES: exportLicenseNames
      EXPORT_SAS_IP_RANGE: exportSasIpRange
      EXPORT_PUBLIC_URL: exportPublicUrl
      // Only who signed in to this tenant is anyone here.
      EXPORT_TENANT_ID: tenant().tenantId
    }
  }
}

module alerts 'app/alerts.bicep' = {
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
  }
}

// azd keeps these as environment values: infra/hooks/entra.py reads them.
output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AUTH_CLIENT_ID string = authClientId
output GRAPH_ENDPOINT string = graphRoot
output GRAPH_PERMISSIONS string = join(graphPermissions, ' ')
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output FUNCTION_APP_NAME string = function.outputs.name
output FUNCTION_APP_URL string = function.outputs.url
