// The identity that the app is: towards Graph, storage, Application Insights, and its own sign-in (instead of a secret).
// User-assigned, because its rights must exist before the app that uses them, and outlive it.
param name string
param location string
param tags { *: string }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
