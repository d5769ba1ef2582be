// What one environment needs in a resource group: a workspace, the GPU cluster, and the identity that GitHub signs in as.
//   az deployment group create --resource-group GROUP --template-file pipelines/infra/main.bicep \
//     --parameters workspaceName=NAME repository=OWNER/NAME environments='["dev"]' \
//     subjectPrefix="$(gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix)"

targetScope = 'resourceGroup'

@description('Name of the Azure ML workspace.')
param workspaceName string

@description('The repository on GitHub, OWNER/NAME.')
param repository string

@description('How the subject of its tokens begins: gh api repos/OWNER/NAME/actions/oidc/customization/sub says it.')
param subjectPrefix string = 'repo:${repository}'

@description('Environments on GitHub whose jobs may sign in; for prod also prod-traffic.')
param environments array

@description('Region of everything.')
param location string = resourceGroup().location

@description('Size of the nodes that train: finetune.cluster.size of the settings.')
param clusterSize string = 'Standard_NC24ads_A100_v4'

@description('Name of the cluster: finetune.cluster.name of the settings.')
param clusterName string = 'gpu-cluster'

@description('The most nodes that train at once; idle ones are given back.')
param clusterMaxNodes int = 1

var unique = uniqueString(resourceGroup().id, workspaceName)

// Everything in the workspace, but not the workspace itself, its clusters or who has access.
var dataScientist = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f6c7c914-8db3-469d-8ca1-694a8f32e121')

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  // checkov:skip=CKV_AZURE_35:GitHub's runners have no fixed address; docs/azure.md says what a private network takes
  // checkov:skip=CKV_AZURE_206:what is lost with a data center can be made again from code, data and settings
  // checkov:skip=CKV_AZURE_43:the name is put together when it is deployed: ml and 13 letters and digits
  name: 'ml${unique}'
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  // checkov:skip=CKV_AZURE_109:as for storage, and roles say who reads
  // checkov:skip=CKV_AZURE_189:as for storage, and roles say who reads
  name: 'ml${unique}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    enablePurgeProtection: true
    sku: {
      family: 'A'
      name: 'standard'
    }
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'ml${unique}'
  location: location
  properties: {
    retentionInDays: 30
    sku: {
      name: 'PerGB2018'
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'ml${unique}'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' = {
  // checkov:skip=CKV_AZURE_243:as for storage
  name: workspaceName
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    storageAccount: storage.id
    keyVault: vault.id
    applicationInsights: insights.id
  }
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2024-10-01' = {
  parent: workspace
  name: clusterName
  location: location
  properties: {
    computeType: 'AmlCompute'
    properties: {
      vmSize: clusterSize
      vmPriority: 'Dedicated'
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: clusterMaxNodes
        nodeIdleTimeBeforeScaleDown: 'PT2M'
      }
    }
  }
}

resource github 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  // Letters, digits, dashes and underscores; a repository may have dots as well.
  name: replace('github-${last(split(repository, '/'))}-${environments[0]}', '.', '-')
  location: location
}

// Azure writes one credential of an identity at a time.
@batchSize(1)
resource signIn 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = [
  for environment in environments: {
    parent: github
    name: environment
    properties: {
      issuer: 'https://token.actions.githubusercontent.com'
      subject: '${subjectPrefix}:environment:${environment}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
]

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: workspace
  name: guid(workspace.id, github.id, dataScientist)
  properties: {
    roleDefinitionId: dataScientist
    principalId: github.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Sizes and quota are the subscription's: no role on the workspace lets a plan read them.
module quota 'quota.bicep' = {
  name: 'ml${unique}'
  scope: subscription()
  params: {
    identityName: github.name
    principalId: github.properties.principalId
  }
}

@description('AZURE_CLIENT_ID of the environments on GitHub.')
output clientId string = github.properties.clientId

@description('AZURE_TENANT_ID of the environments on GitHub.')
output tenantId string = subscription().tenantId
