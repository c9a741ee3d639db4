"""AWS's own managed policies that people attach, by ARN.

Their documents are not evaluated here (no identity policy is), so one stands for all: what counts is that
the ARN is known and can be attached.
"""

from __future__ import annotations

PREFIX = "arn:aws:iam::aws:policy"

_NAMES = (
    "/AdministratorAccess",
    "/AmazonAPIGatewayAdministrator",
    "/AmazonAPIGatewayInvokeFullAccess",
    "/AmazonDynamoDBFullAccess",
    "/AmazonDynamoDBReadOnlyAccess",
    "/AmazonEC2ContainerRegistryReadOnly",
    "/AmazonEC2FullAccess",
    "/AmazonEC2ReadOnlyAccess",
    "/AmazonS3FullAccess",
    "/AmazonS3ReadOnlyAccess",
    "/AmazonSNSFullAccess",
    "/AmazonSQSFullAccess",
    "/AmazonSSMManagedInstanceCore",
    "/AmazonSSMReadOnlyAccess",
    "/AmazonVPCFullAccess",
    "/AWSLambdaExecute",
    "/AWSLambda_FullAccess",
    "/AWSLambda_ReadOnlyAccess",
    "/AWSLambdaInvocation-DynamoDB",
    "/AWSXRayDaemonWriteAccess",
    "/AWSXrayWriteOnlyAccess",
    "/CloudWatchAgentServerPolicy",
    "/CloudWatchFullAccess",
    "/CloudWatchLambdaInsightsExecutionRolePolicy",
    "/CloudWatchLogsFullAccess",
    "/CloudWatchLogsReadOnlyAccess",
    "/CloudWatchReadOnlyAccess",
    "/IAMFullAccess",
    "/IAMReadOnlyAccess",
    "/IAMUserChangePassword",
    "/PowerUserAccess",
    "/ReadOnlyAccess",
    "/SecurityAudit",
    "/job-function/ViewOnlyAccess",
    "/service-role/AmazonAPIGatewayPushToCloudWatchLogs",
    "/service-role/AmazonEC2RoleforSSM",
    "/service-role/AmazonEC2SpotFleetTaggingRole",
    "/service-role/AWSLambdaBasicExecutionRole",
    "/service-role/AWSLambdaDynamoDBExecutionRole",
    "/service-role/AWSLambdaENIManagementAccess",
    "/service-role/AWSLambdaKinesisExecutionRole",
    "/service-role/AWSLambdaRole",
    "/service-role/AWSLambdaSQSQueueExecutionRole",
    "/service-role/AWSLambdaVPCAccessExecutionRole",
)
ARNS = {PREFIX + name: name for name in _NAMES}
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
