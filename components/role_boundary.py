"""The most that the stack's roles may: one policy on all of them."""

import pulumi

ROLE = "aws:iam/role:Role"


def bound_roles(policy_arn: str | None) -> None:
    """Give every role that is registered from now on this permissions boundary; none without a policy.

    In one place, so that no role is forgotten: GitHub's deployment can't make one that lacks it (bootstrap/).
    """
    if policy_arn is None:
        return

    def bounded(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != ROLE:
            return None
        props = {**args.props, "permissions_boundary": policy_arn}
        return pulumi.ResourceTransformationResult(props=props, opts=args.opts)

    pulumi.runtime.register_stack_transformation(bounded)
