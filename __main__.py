"""The bill of materials of a stack: settings in, components wired together, outputs out."""

import pulumi
import pulumi_aws as aws

import contract
import outputs
import settings as configuration
from components.addresses import host_address
from components.backend import Backend, BackendArgs
from components.edge import Edge, EdgeArgs
from components.frontend import Frontend, FrontendArgs
from components.identity import Identity, IdentityArgs
from components.jobs import Jobs, JobsArgs
from components.ml_server import MlServer, MlServerArgs
from components.network import Network, NetworkArgs
from components.notebook import Notebook, NotebookArgs
from components.operations import Operations, OperationsArgs
from components.role_boundary import bound_roles
from components.storage import Storage, StorageArgs
from components.training import Training, TrainingArgs

settings = configuration.load()
stack, prefix, region = (
    settings.stack,
    contract.prefix(settings.stack),
    settings.aws.region,
)
log_days = settings.operations.log_retention_days
token = configuration.github_token(settings)

provider = aws.Provider(
    "aws",
    region=region,
    profile=settings.aws.profile,
    allowed_account_ids=list(settings.aws.allowed_account_ids) or None,
    default_tags={
        "tags": {
            contract.TAG_PROJECT: contract.PROJECT,
            contract.TAG_STACK: stack,
            "Owner": settings.ownership.owner,
            "CostCentre": settings.ownership.cost_centre,
            "ManagedBy": "pulumi",
        }
    },
)
on_aws = pulumi.ResourceOptions(provider=provider)
bound_roles(settings.ownership.role_boundary)

network = Network(
    f"{prefix}-network",
    NetworkArgs(
        settings=settings.network,
        gpu_instance_type=settings.ml_server.instance_type,
        flow_log_group_name=contract.log_group(stack, "network"),
        log_retention_days=log_days,
    ),
    on_aws,
)
storage = Storage(f"{prefix}-storage", StorageArgs(settings=settings.storage), on_aws)
jobs = Jobs(
    f"{prefix}-jobs",
    JobsArgs(settings=settings.jobs, protect_data=settings.storage.protect_data),
    on_aws,
)
ml_server = MlServer(
    f"{prefix}-ml-server",
    MlServerArgs(
        stack=stack,
        settings=settings.ml_server,
        vpc_id=network.vpc_id,
        subnet_id=network.private_subnet_ids[0],
        private_ip=host_address(network.private_subnet_cidrs[0], settings.ml_server.host_number),
        ways_out=network.private_routes,
        bucket_name=storage.bucket_name,
        bucket_arn=storage.bucket_arn,
        log_retention_days=log_days,
        region=region,
    ),
    on_aws,
)
edge = Edge(f"{prefix}-edge", EdgeArgs(stack=stack, settings=settings.backend), on_aws)
identity = Identity(
    f"{prefix}-identity",
    IdentityArgs(settings=settings.identity, protect_data=settings.storage.protect_data),
    on_aws,
)
frontend_config = {
    "stack": stack,
    "region": region,
    "backendUrl": edge.url,
    "userPoolId": identity.user_pool_id,
    "userPoolClientId": identity.user_pool_client_id,
}
frontend = Frontend(
    f"{prefix}-frontend",
    FrontendArgs(
        stack=stack,
        settings=settings.frontend,
        repository=settings.repository,
        github_token=token,
        config=frontend_config,
        backend_url=edge.url,
        region=region,
    ),
    on_aws,
)
backend = Backend(
    f"{prefix}-backend",
    BackendArgs(
        stack=stack,
        settings=settings.backend,
        repository=settings.repository,
        vpc_id=network.vpc_id,
        subnet_id=network.public_subnet_ids[0],
        elastic_ip_allocation_id=edge.elastic_ip_allocation_id,
        edge_url=edge.url,
        origin_secret_parameter_name=edge.origin_secret_parameter_name,
        origin_secret_parameter_arn=edge.origin_secret_parameter_arn,
        github_token=token,
        comfyui_address=ml_server.private_ip,
        ml_server_instance_arn=ml_server.instance_arn,
        ml_server_boot_parameter_name=ml_server.boot_parameter_name,
        ml_server_boot_parameter_arn=ml_server.boot_parameter_arn,
        ml_server_client_group_id=ml_server.client_security_group_id,
        bucket_name=storage.bucket_name,
        bucket_arn=storage.bucket_arn,
        queue_urls=jobs.queue_urls,
        queue_arns=jobs.queue_arns,
        dead_letter_queue_url=jobs.dead_letter_queue_url,
        dead_letter_queue_arn=jobs.dead_letter_queue_arn,
        table_name=jobs.table_name,
        table_arn=jobs.table_arn,
        user_pool_id=identity.user_pool_id,
        user_pool_client_id=identity.user_pool_client_id,
        limits=settings.limits.model_dump(by_alias=True),
        max_attempts=settings.jobs.max_attempts,
        outputs_retention_days=settings.storage.outputs_retention_days,
        allowed_origins=[
            *([frontend.url] if frontend.url else []),
            *settings.backend.extra_origins,
        ],
        log_retention_days=log_days,
        region=region,
    ),
    on_aws,
)
notebook = Notebook(
    f"{prefix}-notebook",
    NotebookArgs(
        stack=stack,
        settings=settings.notebook,
        vpc_id=network.vpc_id,
        subnet_id=network.private_subnet_ids[0],
        bucket_name=storage.bucket_name,
        bucket_arn=storage.bucket_arn,
        region=region,
    ),
    on_aws,
)
training = Training(
    f"{prefix}-training",
    TrainingArgs(
        stack=stack,
        settings=settings.training,
        vpc_id=network.vpc_id,
        subnet_ids=network.private_subnet_ids,
        bucket_arn=storage.bucket_arn,
        region=region,
    ),
    on_aws,
)
operations = Operations(
    f"{prefix}-operations",
    OperationsArgs(
        stack=stack,
        settings=settings.operations,
        region=region,
        ml_server_instance_id=ml_server.instance_id,
        ml_server_instance_arn=ml_server.instance_arn,
        backend_instance_id=backend.instance_id,
        backend_instance_arn=backend.instance_arn,
        notebook_name=notebook.notebook_name,
        notebook_arn=notebook.notebook_arn,
        distribution_id=edge.distribution_id,
        queue_names=jobs.queue_names,
        dead_letter_queue_name=jobs.dead_letter_queue_name,
        table_name=jobs.table_name,
    ),
    on_aws,
)
named = outputs.export(
    outputs.Outputs(
        stack=stack,
        region=region,
        backendUrl=edge.url,
        backendInstanceId=backend.instance_id,
        backendPublicIp=edge.public_ip,
        mlServerInstanceId=ml_server.instance_id,
        mlServerPrivateIp=ml_server.private_ip,
        comfyUiAddress=ml_server.private_ip,
        bucketName=storage.bucket_name,
        queueUrls=jobs.queue_urls,
        deadLetterQueueUrl=jobs.dead_letter_queue_url,
        generationsTable=jobs.table_name,
        userPoolId=identity.user_pool_id,
        userPoolClientId=identity.user_pool_client_id,
        notebookName=notebook.notebook_name,
        training=training.job,
        amplifyAppId=frontend.app_id,
        frontendUrl=frontend.url,
        dashboardUrl=operations.dashboard_url,
        alarmTopicArn=operations.topic_arn,
        distributionId=edge.distribution_id,
        imageIds={"mlServer": ml_server.image_id, "backend": backend.image_id},
        leftOut={
            k: v
            for k, v in {
                "frontend": frontend.reason,
                "notebook": notebook.reason,
                "training": training.reason,
            }.items()
            if v
        },
        frontendConfig=frontend_config,
    )
)
aws.ssm.Parameter(
    f"{prefix}-outputs",
    name=contract.outputs_parameter(stack),
    description="All outputs of the stack as one JSON object; `python -m ops` reads it.",
    type="String",
    value=pulumi.Output.json_dumps(named),
    opts=on_aws,
)
