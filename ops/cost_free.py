"""Types of resources that cost nothing by themselves, each with its reason."""

NETWORK = "AWS takes nothing for it; traffic is counted where it passes"
ACCESS = "identities and policies cost nothing"
PART_OF_BUCKET = "a setting of the bucket, which is counted"
PART_OF_QUEUE = "a setting of a queue, which is counted"
LOCAL = "runs on the machine that deploys"

FREE: dict[str, str] = {
    "aws:amplify/branch:Branch": "a part of the app, which is counted",
    "aws:amplify/domainAssociation:DomainAssociation": "a name for the app; its certificate costs nothing",
    "aws:budgets/budget:Budget": "a budget that only tells costs nothing",
    "aws:cognito/userPool:UserPool": "up to 10,000 people a month cost nothing; a studio has tens",
    "aws:cognito/userPoolClient:UserPoolClient": "a part of the user pool",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": NETWORK,
    "aws:ec2/eipAssociation:EipAssociation": "the address itself is counted",
    "aws:ec2/internetGateway:InternetGateway": NETWORK,
    "aws:ec2/route:Route": NETWORK,
    "aws:ec2/routeTable:RouteTable": NETWORK,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": NETWORK,
    "aws:ec2/securityGroup:SecurityGroup": NETWORK,
    "aws:ec2/subnet:Subnet": NETWORK,
    "aws:ec2/vpc:Vpc": NETWORK,
    "aws:iam/instanceProfile:InstanceProfile": ACCESS,
    "aws:iam/role:Role": ACCESS,
    "aws:iam/rolePolicy:RolePolicy": ACCESS,
    "aws:route53/record:Record": "an alias of CloudFront; the zone is not the stack's",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": PART_OF_BUCKET,
    "aws:s3/bucketObjectv2:BucketObjectv2": "a few kilobytes in the bucket, which is counted",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": PART_OF_BUCKET,
    "aws:s3/bucketPolicy:BucketPolicy": PART_OF_BUCKET,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": PART_OF_BUCKET,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": PART_OF_BUCKET,
    "aws:s3/bucketVersioning:BucketVersioning": "a setting of the bucket; old versions are counted with it",
    "aws:sagemaker/notebookInstanceLifecycleConfiguration:NotebookInstanceLifecycleConfiguration": "a script of the notebook",
    "aws:scheduler/scheduleGroup:ScheduleGroup": "its schedules are counted",
    "aws:sns/topic:Topic": "its mails are counted with the subscriptions",
    "aws:sns/topicPolicy:TopicPolicy": ACCESS,
    "aws:sqs/queuePolicy:QueuePolicy": PART_OF_QUEUE,
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": PART_OF_QUEUE,
    "aws:ssm/parameter:Parameter": "standard parameters cost nothing, nor does AWS's own key for the secret ones",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": NETWORK,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": NETWORK,
    "command:local:Command": LOCAL,
}
COMPONENT = "a component: what stands in it is counted"
ENGINE = "of the engine itself: the stack, a provider's settings"


def reason(token: str) -> str | None:
    """Why a type costs nothing; None when nobody has said so."""
    if token.startswith("sd-app:"):
        return COMPONENT
    if token.startswith("pulumi:"):
        return ENGINE
    return FREE.get(token)
