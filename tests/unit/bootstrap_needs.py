"""What the AWS provider asks of AWS for each type that the platform declares: to make one, and to see, change and remove it.

From the provider's own code and the Service Authorization Reference. A type that isn't here fails the test by name.
"""

EC2 = {
    "vpc": ("Vpc", "ModifyVpcAttribute"),
    "subnet": ("Subnet", "ModifySubnetAttribute"),
    "internet-gateway": ("InternetGateway", "AttachInternetGateway"),
    "route-table": ("RouteTable", "CreateRoute"),
    "natgateway": ("NatGateway", "CreateTags"),
    "vpc-endpoint": ("VpcEndpoint", "ModifyVpcEndpoint"),
    "security-group": ("SecurityGroup", "AuthorizeSecurityGroupIngress"),
}
"""Resource types of EC2 whose actions are called as they are: name in actions, and one that changes it."""

MAKE: dict[str, tuple[str, ...]] = {
    **{kind: (f"ec2:Create{name}", "ec2:CreateTags") for kind, (name, _) in EC2.items()},
    "security-group-rule": (
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:CreateTags",
    ),
    "vpc-flow-log": ("ec2:CreateFlowLogs", "ec2:CreateTags"),
    "elastic-ip": ("ec2:AllocateAddress", "ec2:CreateTags"),
    "instance": ("ec2:RunInstances", "ec2:CreateTags"),
    "bucket": ("s3:CreateBucket", "s3:PutBucketTagging"),
    "sqs": ("sqs:CreateQueue", "sqs:TagQueue"),
    "dynamodb": ("dynamodb:CreateTable", "dynamodb:TagResource"),
    "parameter": ("ssm:PutParameter", "ssm:AddTagsToResource"),
    "log-group": ("logs:CreateLogGroup", "logs:TagResource"),
    "role": ("iam:CreateRole", "iam:TagRole"),
    "instance-profile": ("iam:CreateInstanceProfile", "iam:TagInstanceProfile"),
    "userpool": ("cognito-idp:CreateUserPool", "cognito-idp:TagResource"),
    "distribution": (
        "cloudfront:CreateDistribution",
        "cloudfront:CreateDistributionWithTags",
        "cloudfront:TagResource",
    ),
    "sns": ("sns:CreateTopic", "sns:TagResource"),
    "schedule-group": ("scheduler:CreateScheduleGroup", "scheduler:TagResource"),
    "schedule": ("scheduler:CreateSchedule",),
    "alarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"),
    "dashboard": ("cloudwatch:PutDashboard",),
    "budget": ("budgets:ModifyBudget", "budgets:TagResource"),
    "apps": ("amplify:CreateApp", "amplify:CreateBranch", "amplify:TagResource"),
    "notebook-instance": ("sagemaker:CreateNotebookInstance", "sagemaker:AddTags"),
    "notebook-instance-lifecycle-config": ("sagemaker:CreateNotebookInstanceLifecycleConfig",),
}

MANAGE: dict[str, tuple[str, ...]] = {
    **{kind: (f"ec2:Delete{name}", f"ec2:{change}") for kind, (name, change) in EC2.items()},
    "security-group-rule": ("ec2:RevokeSecurityGroupIngress", "ec2:ModifySecurityGroupRules"),
    "vpc-flow-log": ("ec2:DeleteFlowLogs",),
    "elastic-ip": ("ec2:AssociateAddress", "ec2:DisassociateAddress", "ec2:ReleaseAddress"),
    "instance": (
        "ec2:TerminateInstances",
        "ec2:StopInstances",
        "ec2:StartInstances",
        "ec2:ModifyInstanceAttribute",
        "ec2:AssociateAddress",
    ),
    "bucket": (
        "s3:DeleteBucket",
        "s3:PutBucketPolicy",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketOwnershipControls",
        "s3:ListBucketVersions",
    ),
    "sqs": ("sqs:SetQueueAttributes", "sqs:DeleteQueue", "sqs:GetQueueAttributes"),
    "dynamodb": (
        "dynamodb:UpdateTable",
        "dynamodb:DeleteTable",
        "dynamodb:DescribeTable",
        "dynamodb:UpdateTimeToLive",
        "dynamodb:UpdateContinuousBackups",
    ),
    "parameter": ("ssm:PutParameter", "ssm:DeleteParameter", "ssm:GetParameter"),
    "log-group": ("logs:PutRetentionPolicy", "logs:DeleteLogGroup", "logs:ListTagsForResource"),
    "role": (
        "iam:GetRole",
        "iam:DeleteRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
    ),
    "instance-profile": (
        "iam:GetInstanceProfile",
        "iam:DeleteInstanceProfile",
        "iam:AddRoleToInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile",
    ),
    "userpool": (
        "cognito-idp:UpdateUserPool",
        "cognito-idp:DeleteUserPool",
        "cognito-idp:CreateUserPoolClient",
        "cognito-idp:SetUserPoolMfaConfig",
        # The smoke test's own designer.
        "cognito-idp:AdminCreateUser",
        "cognito-idp:AdminSetUserPassword",
        "cognito-idp:AdminDeleteUser",
    ),
    "distribution": (
        "cloudfront:GetDistribution",
        "cloudfront:UpdateDistribution",
        "cloudfront:DeleteDistribution",
    ),
    "sns": ("sns:SetTopicAttributes", "sns:Subscribe", "sns:DeleteTopic", "sns:GetTopicAttributes"),
    "schedule-group": ("scheduler:GetScheduleGroup", "scheduler:DeleteScheduleGroup"),
    "schedule": ("scheduler:UpdateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule"),
    "alarm": ("cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource"),
    "dashboard": ("cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"),
    "budget": ("budgets:ViewBudget", "budgets:ModifyBudget"),
    "apps": ("amplify:GetApp", "amplify:UpdateApp", "amplify:DeleteApp", "amplify:UpdateBranch"),
    "notebook-instance": (
        "sagemaker:DescribeNotebookInstance",
        "sagemaker:StartNotebookInstance",
        "sagemaker:StopNotebookInstance",
        "sagemaker:UpdateNotebookInstance",
        "sagemaker:DeleteNotebookInstance",
    ),
    "notebook-instance-lifecycle-config": (
        "sagemaker:UpdateNotebookInstanceLifecycleConfig",
        "sagemaker:DeleteNotebookInstanceLifecycleConfig",
    ),
}
WHOLE = ("sqs", "sns", "dynamodb")
"""Services with one resource type, which their ARNs don't tell."""
READS = ("Get", "List", "Describe", "View", "BatchGet")
"""Beginnings of the actions that change nothing."""


def kind_of(arn: str) -> str:
    """The resource type in an ARN; a bucket's has none."""
    service, rest = arn.split(":")[2], arn.split(":", 5)[5]
    if service in WHOLE:
        return service
    return "bucket" if service == "s3" else rest.replace(":", "/").split("/")[0]
