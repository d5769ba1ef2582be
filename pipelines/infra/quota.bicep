// Lets an identity read which sizes Azure ML offers in a region, and their quota, and nothing else.

targetScope = 'subscription'

@description('Name of the identity, after which the role is called: names of roles are one in all of a tenant.')
param identityName string

@description('Object id of the identity.')
param principalId string

resource reader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, identityName)
  properties: {
    roleName: '${identityName} quota'
    description: 'Reads which sizes Azure ML offers in a region, and their quota.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.MachineLearningServices/locations/vmSizes/read'
          'Microsoft.MachineLearningServices/locations/usages/read'
        ]
      }
    ]
    assignableScopes: [
      subscription().id
    ]
  }
}

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, reader.id)
  properties: {
    roleDefinitionId: reader.id
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
