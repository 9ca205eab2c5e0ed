// What someone should hear of: exports and comparisons that failed, Graph throttling, and a caller who fetches many exports. They read the
// line that `publish` logs for every export: "Export <id> ended: <status> (<n> users, <n> errors, <n> requests, <n>
// retries)", and the one for each link: "Links for export <id> were made for <caller>: <file>, correlation <guid>".
param suffix string
param location string
param tags { *: string }
param workspaceId string
param email string

var ended = '''
AppTraces
| where Message startswith "Export " and Message contains " ended: "
| parse Message with "Export " Id " ended: " Status " (" Users:long " users, " Errors:long " errors, " Requests:long " requests, " Retries:long " retries)"
'''

var rules = [
  {
    name: 'failed-exports'
    description: 'An export or a comparison ended as Failed. Its results.json says why.'
    severity: 1
    query: 'AppTraces | where (Message startswith "Export " or Message startswith "Comparison ") and Message contains " ended: Failed"'
  }
  {
    name: 'broken-orchestrations'
    description: 'An orchestrator failed, so an export or a comparison ended without results. The storage refused them, or a deployment changed the code while it ran.'
    severity: 1
    query: 'AppRequests | where Success == false and Name in ("export_users", "compare_exports")'
  }
  {
    name: 'graph-throttling'
    description: 'More than one in ten requests to Microsoft Graph had to be repeated. Lower EXPORT_PARALLEL, or export at a quieter hour.'
    severity: 3
    query: '${ended}| where Retries > 20 and Retries * 10 > Requests'
  }
  {
    name: 'many-links'
    description: 'Links to more than 20 exports were made for one caller within 15 minutes. docs/operating.md explains how to find what was downloaded.'
    severity: 2
    query: 'AppTraces | where Message startswith "Links for export " | parse Message with "Links for export " Id " were made for " Caller ": " * | summarize Exports = dcount(Id) by Caller | where Exports > 20'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'userexport'
    enabled: true
    emailReceivers: [{ name: 'email', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for rule in rules: {
    name: 'alert-${rule.name}-${suffix}'
    location: location
    tags: tags
    properties: {
      displayName: rule.name
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT15M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: false
      // The tables come into being with the first telemetry, after this.
      skipQueryValidation: true
      actions: { actionGroups: empty(email) ? [] : [people.id] }
    }
  }
]
