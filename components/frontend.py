"""The designer's page on Amplify Hosting, built by itself from the repository's branch."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_command as command
import yaml

import contract
from setting_models import FrontendSettings, RepositorySettings

SINGLE_PAGE = "</^[^.]+$|\\.(?!(css|gif|ico|jpg|js|json|map|mjs|png|svg|ttf|txt|webp|woff|woff2)$)([^.]+$)/>"
"""Every address that is no file is answered with the page, as Amplify's documentation has it (facts of pulumi-aws)."""
BUILD_GRACE_MINUTES = 5
"""The engine's own limit lies this far beyond the wait's, so that the wait's message wins: it names the job."""


@dataclass(frozen=True, kw_only=True)
class FrontendArgs:
    """Repository, token and what the page must know. `config` is the stack's `frontendConfig`."""

    stack: str
    settings: FrontendSettings
    repository: RepositorySettings
    github_token: pulumi.Output[str] | None
    config: Mapping[str, pulumi.Input[str]]
    backend_url: pulumi.Input[str]
    region: str


class Frontend(pulumi.ComponentResource):
    """The page at an HTTPS address, anew after every push to the branch and after every change of its config.
    All outputs but `reason` are None when the settings leave it out."""

    app_id: pulumi.Output[str] | None
    url: pulumi.Output[str] | None
    reason: str | None
    """Why there is none; None when there is one."""

    def __init__(self, name: str, args: FrontendArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:edge:Frontend", name, None, opts)
        self.app_id, self.url, self.reason = None, None, None
        if args.settings.enabled and args.github_token is not None:
            app, branch = self._create_app(name, args)
            self.app_id = app.id
            self.url = _url(args, app)
            if args.settings.domain_name:
                self._create_domain(name, args.settings.domain_name, args.settings.subdomain, app, branch)
            if args.settings.build_wait_minutes:
                self._create_build(name, args, app, branch)
        else:
            self.reason = "switched off by sd-app:frontend.enabled; it needs the secret sd-app:githubToken to be switched on"
        self.register_outputs({"app_id": self.app_id, "url": self.url, "reason": self.reason})

    def _create_app(self, name: str, args: FrontendArgs) -> tuple[aws.amplify.App, aws.amplify.Branch]:
        child = pulumi.ResourceOptions(parent=self)
        app = aws.amplify.App(
            name,
            name=name,
            description=f"The designer's page of {contract.prefix(args.stack)}",
            repository=args.repository.url,
            access_token=args.github_token,
            platform="WEB",
            environment_variables={"AMPLIFY_MONOREPO_APP_ROOT": contract.FRONTEND_ROOT},
            custom_rules=[{"source": SINGLE_PAGE, "target": "/index.html", "status": "200"}],
            custom_headers=pulumi.Output.from_input(args.backend_url).apply(
                lambda url: security_headers(url, args.region)
            ),
            # The branch below alone is built: a branch that somebody pushes must not become a page.
            enable_auto_branch_creation=False,
            tags={"Name": name},
            opts=child,
        )
        branch = aws.amplify.Branch(
            name,
            app_id=app.id,
            branch_name=args.repository.branch,
            stage="PRODUCTION",
            enable_auto_build=True,
            environment_variables={contract.FRONTEND_CONFIG_VARIABLE: pulumi.Output.json_dumps(args.config)},
            tags={"Name": name},
            opts=child,
        )
        return app, branch

    def _create_domain(
        self, name: str, domain: str, subdomain: str, app: aws.amplify.App, branch: aws.amplify.Branch
    ) -> None:
        aws.amplify.DomainAssociation(
            name,
            app_id=app.id,
            domain_name=domain,
            sub_domains=[{"branch_name": branch.branch_name, "prefix": subdomain}],
            # A person sets the DNS records that Amplify shows; `up` can't wait for that.
            wait_for_verification=False,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _create_build(
        self, name: str, args: FrontendArgs, app: aws.amplify.App, branch: aws.amplify.Branch
    ) -> None:
        """A branch made by the API is not built by itself, and changed values need a new build."""
        minutes = args.settings.build_wait_minutes
        limit = f"{minutes + BUILD_GRACE_MINUTES}m"
        run = 'PATH="$PWD/.venv/bin:$PATH" python -m components.amplify_build'
        command.local.Command(
            f"{name}-build",
            create=pulumi.Output.concat(run, " ", app.id, " ", branch.branch_name, f" --minutes {minutes}"),
            environment={"AWS_REGION": args.region},
            triggers=[app.id, branch.branch_name, pulumi.Output.json_dumps(args.config)],
            opts=pulumi.ResourceOptions(
                parent=self, custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit)
            ),
        )


def security_headers(backend_url: str, region: str) -> str:
    """Amplify's custom headers as YAML, in the form that a monorepo needs
    (docs.aws.amazon.com/amplify/latest/userguide/custom-headers.html)."""
    # Users sign in from the page itself.
    headers = contract.page_headers(backend_url, f"https://cognito-idp.{region}.amazonaws.com")
    everywhere = {"pattern": "**", "headers": [{"key": k, "value": v} for k, v in headers.items()]}
    applications = [{"appRoot": contract.FRONTEND_ROOT, "customHeaders": [everywhere]}]
    return yaml.safe_dump({"applications": applications}, sort_keys=False, width=1000)


def _url(args: FrontendArgs, app: aws.amplify.App) -> pulumi.Output[str]:
    domain, subdomain = args.settings.domain_name, args.settings.subdomain
    if domain:
        return pulumi.Output.from_input(f"https://{subdomain}.{domain}" if subdomain else f"https://{domain}")
    host = args.repository.branch.replace("/", "-")
    return pulumi.Output.concat(f"https://{host}.", app.default_domain)
