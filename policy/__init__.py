"""Guardrails: what no stack may declare. The same rule functions in the tests and in a policy pack of Pulumi's."""
