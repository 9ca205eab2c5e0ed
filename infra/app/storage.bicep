// Two storage accounts, because they are different things: the runtime's (Durable's queues, tables and blobs, the
// deployment package) and the exports' (personal data, short-lived). No keys: only identities and links made by them.
param suffix string
param location string
param tags { *: string }
param principalId string
param exportContainer string
param retentionDays int
param subnetId string
param downloadIpRanges string[]
param workspaceId string

// Built-in roles; their ids are the same in every tenant and cloud.
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

var safe = {
  allowBlobPublicAccess: false
  allowCrossTenantReplication: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  isLocalUserEnabled: false
  minimumTlsVersion: 'TLS1_2'
  supportsHttpsTrafficOnly: true
}
// Azure reaches it for diagnostics; everything else only from the app's subnet once there is one.
var closed = {
  bypass: 'AzureServices'
  defaultAction: 'Deny'
  virtualNetworkRules: [{ id: subnetId, action: 'Allow' }]
}
var open = { bypass: 'AzureServices', defaultAction: 'Allow' }
var ipRules = [for address in downloadIpRanges: { value: trim(address), action: 'Allow' }]

// ---- The runtime's ---------------------------------------------------------------------------------------------------

resource runtime 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'strun${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: union(safe, { networkAcls: empty(subnetId) ? open : closed })

  resource blobs 'blobServices' = {
    name: 'default'

    resource deployment 'containers' = {
      name: 'deployment'
      properties: { publicAccess: 'None' }
    }
  }
}

// On the account: the Functions host and Durable make queues, tables and containers of their own.
resource runtimeRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [blobDataOwner, queueDataContributor, tableDataContributor]: {
    name: guid(runtime.id, principalId, role)
    scope: runtime
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

// ---- The exports' ----------------------------------------------------------------------------------------------------

resource exports 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'stexp${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: union(safe, { networkAcls: empty(subnetId) ? open : union(closed, { ipRules: ipRules }) })

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // These are personal data: deleted means gone, not kept for an undo.
      deleteRetentionPolicy: { enabled: false }
      containerDeleteRetentionPolicy: { enabled: false }
      isVersioningEnabled: false
      changeFeed: { enabled: false }
    }

    resource container 'containers' = {
      name: exportContainer
      properties: { publicAccess: 'None' }
    }
  }

  // After the app's own cleaning, or instead of it when the app is gone. shared/storage/names.py has the prefixes: `f` is
  // the first digit of an export's id. It spares `saved/` and the runs of saved exports (`e`): only the app knows which of
  // them are still needed.
  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: [
          {
            name: 'delete-exports'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: {
                blobTypes: ['blockBlob']
                prefixMatch: map(
                  ['f', 'keys/', 'running/', 'work/', 'ended/'],
                  prefix => '${exportContainer}/${prefix}'
                )
              }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: retentionDays } } }
            }
          }
        ]
      }
    }
    dependsOn: [blobs]
  }
}

// Reads and writes in this one container ...
resource contributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(exports::blobs::container.id, principalId, blobDataContributor)
  scope: exports::blobs::container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// ... and asks for the key that signs links, which only the account gives. A link can't do more than the identity can.
resource delegator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(exports.id, principalId, blobDelegator)
  scope: exports
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Every read, write and removal of a blob, with the caller's address. A link names nobody: the app logs for whom it made
// the links, with a correlation id that each link also has as `scid`. docs/operating.md joins the two.
resource accessLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: exports::blobs
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

output runtimeName string = runtime.name
output deploymentContainer string = runtime::blobs::deployment.name
output exportsBlobUri string = exports.properties.primaryEndpoints.blob
