"""The edge: HTTPS for everyone, a secret for the last step, an own domain when set."""

from typing import Any

from components.edge import Edge, EdgeArgs
from declared.pretend_aws import ALL_VIEWER_EXCEPT_HOST_ID, CACHING_DISABLED_ID
from setting_models import BackendSettings
from tests.unit.engine import Recording, deploy

RECORD = "aws:route53/record:Record"
CERTIFICATE = "arn:aws:acm:us-east-1:111111111111:certificate/12345678-1234-1234-1234-123456789012"
DOMAIN = {"domain_name": "api.studio.example", "certificate_arn": CERTIFICATE}


def edge(**settings: Any) -> Recording[Edge]:
    args = EdgeArgs(stack="dev", settings=BackendSettings(**settings))
    return deploy(lambda: Edge("edge", args))


def distribution(**settings: Any) -> dict[str, Any]:
    """Inputs of the distribution."""
    return edge(**settings).only("aws:cloudfront/distribution:Distribution").inputs


def test_plain_http_is_sent_to_https() -> None:
    assert distribution()["defaultCacheBehavior"]["viewerProtocolPolicy"] == "redirect-to-https"


def test_nothing_is_cached_and_all_but_the_host_is_passed_on() -> None:
    behavior = distribution()["defaultCacheBehavior"]
    assert behavior["cachePolicyId"] == CACHING_DISABLED_ID, "one designer would see another's answers"
    assert behavior["originRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_ID
    assert {"POST", "DELETE", "OPTIONS"} <= set(behavior["allowedMethods"])
    assert behavior["compress"] is False, "compression holds event streams back"


def test_the_origin_is_the_elastic_ip_on_the_backend_s_port() -> None:
    recording = edge()
    [origin] = recording.only("aws:cloudfront/distribution:Distribution").inputs["origins"]
    assert origin["domainName"] == recording.only("aws:ec2/eip:Eip").outputs["publicDns"]
    assert origin["customOriginConfig"]["httpPort"] == 3000
    assert origin["customOriginConfig"]["originProtocolPolicy"] == "http-only"


def test_cloudfront_and_the_machine_share_one_secret() -> None:
    recording = edge()
    secret = recording.only("command:local:Command").outputs["stdout"]
    [origin] = recording.only("aws:cloudfront/distribution:Distribution").inputs["origins"]
    assert origin["customHeaders"] == [{"name": "X-Origin-Secret", "value": secret}]
    parameter = recording.only("aws:ssm/parameter:Parameter").inputs
    assert (parameter["value"], parameter["type"]) == (secret, "SecureString")
    assert parameter["name"] == "/sd-app/dev/backend/origin-secret"


def test_the_secret_is_marked_wherever_it_goes() -> None:
    recording = edge()
    marked = {one.token.rpartition(":")[2]: one.secret_inputs for one in recording.all if one.secret_inputs}
    assert marked == {
        "Distribution": {"origins[0].customHeaders[0].value"},
        "Parameter": {"value"},
    }
    assert recording.only("command:local:Command").secret_outputs == {"stdout"}
    assert recording.secret_registered["edge"] == {"origin_secret"}


def test_the_secret_is_made_once_and_kept_out_of_the_log() -> None:
    command = edge().only("command:local:Command").inputs
    assert command["create"] == "openssl rand -hex 32"
    assert command["logging"] == "none"
    assert command["addPreviousOutputInEnv"] is False, "the old secret would stand in the environment"
    assert not {"update", "triggers"} & set(command), "every `up` would change the secret"


def test_without_a_domain_cloudfront_s_own_name_and_certificate_serve() -> None:
    recording = edge()
    one = recording.only("aws:cloudfront/distribution:Distribution")
    assert one.inputs["viewerCertificate"] == {"cloudfrontDefaultCertificate": True}
    assert "aliases" not in one.inputs
    assert recording.registered["edge"]["url"] == f"https://{one.outputs['domainName']}"
    assert not recording.of(RECORD)


def test_an_own_domain_has_its_certificate_and_modern_tls() -> None:
    recording = edge(**DOMAIN)
    one = recording.only("aws:cloudfront/distribution:Distribution").inputs
    assert one["aliases"] == ["api.studio.example"]
    assert one["viewerCertificate"] == {
        "acmCertificateArn": CERTIFICATE,
        "sslSupportMethod": "sni-only",
        "minimumProtocolVersion": "TLSv1.2_2021",
    }
    assert recording.registered["edge"]["url"] == "https://api.studio.example"
    assert not recording.of(RECORD), "without a zone the record is a person's matter"


def test_with_a_zone_the_name_points_to_cloudfront_in_both_protocols() -> None:
    recording = edge(**DOMAIN, hosted_zone_id="Z0123456789ABCDEFGHIJ")
    target = recording.only("aws:cloudfront/distribution:Distribution").outputs
    records = recording.inputs_of(RECORD)
    assert {one["type"] for one in records} == {"A", "AAAA"}
    for one in records:
        assert (one["zoneId"], one["name"]) == ("Z0123456789ABCDEFGHIJ", "api.studio.example")
        assert one["aliases"] == [
            {
                "name": target["domainName"],
                "zoneId": target["hostedZoneId"],
                "evaluateTargetHealth": False,
            }
        ]


def test_the_outputs_name_address_distribution_and_parameter() -> None:
    recording = edge()
    outputs, address = recording.registered["edge"], recording.only("aws:ec2/eip:Eip").outputs
    assert outputs["elastic_ip_allocation_id"] == address["allocationId"]
    assert outputs["public_ip"] == address["publicIp"]
    distribution_id = recording.only("aws:cloudfront/distribution:Distribution").outputs["id"]
    assert outputs["distribution_id"] == distribution_id
    parameter = recording.only("aws:ssm/parameter:Parameter").outputs
    assert outputs["origin_secret_parameter_name"] == parameter["name"]
    assert outputs["origin_secret_parameter_arn"] == parameter["arn"]
