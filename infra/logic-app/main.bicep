// A Logic App that exports all users every Monday and mails the link. A sample: `az deployment group create` makes it
// (docs/deploying.md), not `azd up`. workflow.json says when it runs. Its identity needs the app role Exports.Run: infra/hooks/entra.py logic-app.
param name string = 'logic-user-export'
param location string = resourceGroup().location

@description('Address of the function app: FUNCTION_APP_URL of `azd env get-values`.')
param exportUrl string

@description('Client id of the app registration: AUTH_CLIENT_ID of `azd env get-values`.')
param authClientId string

@description('The recipients of the mail, with semicolons between.')
param recipients string

@description('Body of POST /api/exports: columns, filter, fileName ...')
// The API knows what belongs in it, and answers each mistake by its name: a type here would be a second contract.
#disable-next-line use-user-defined-types
param request object = {}

// Someone has to sign in to it once, in the portal: API connections > office365 > Edit API connection > Authorize.
resource office365 'Microsoft.Web/connections@2016-06-01' = {
  name: 'office365'
  location: location
  properties: {
    displayName: 'User export'
    api: { id: subscriptionResourceId('Microsoft.Web/locations/managedApis', location, 'office365') }
  }
}

resource workflow 'Microsoft.Logic/workflows@2019-05-01' = {
  name: name
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    state: 'Enabled'
    definition: loadJsonContent('workflow.json')
    parameters: {
      '$connections': {
        value: {
          office365: {
            id: subscriptionResourceId('Microsoft.Web/locations/managedApis', location, 'office365')
            connectionId: office365.id
            connectionName: office365.name
          }
        }
      }
      exportUrl: { value: exportUrl }
      audience: { value: 'api://${authClientId}' }
      request: { value: request }
      recipients: { value: recipients }
    }
  }
}

output principalId string = workflow.identity.principalId
