"""The Kustomize base and overlays: built by kubectl, held against Kubernetes' own schemas and the services' settings.

No cluster runs here. The Prometheus Operator's two kinds are held against its own definitions (`operator/`).
"""

import re
from pathlib import Path
from typing import Any

import click
import pytest

from services.command.main import main
from services.edge import EdgeConfig
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import Config as LedgerConfig
from services.verifier.config import Config as VerifierConfig
from tests.packages.built_manifests import OPERATOR, Documents, built, operator_faults, schemas
from tests.packages.conftest import loaded
from tests.support.alert_rules import alerts, groups

BUILT = ("base", "overlays/small", "overlays/production")
EVERY = (*BUILT, "opening")
SETTINGS: dict[str, tuple[type[EdgeConfig], str]] = {
    "ledger": (LedgerConfig, "CREDENTIFY_LEDGER_"),
    "gateway": (GatewayConfig, "CREDENTIFY_GATEWAY_"),
    "verifier": (VerifierConfig, "CREDENTIFY_VERIFIER_"),
}
each_build = pytest.mark.parametrize("name", BUILT)


def of_kind(name: str, *kinds: str) -> Documents:
    return [document for document in built(name) if document["kind"] in kinds]


def pods(name: str) -> dict[str, dict[str, Any]]:
    """Return by component the specification of its pods."""
    return {
        document["metadata"]["labels"]["app.kubernetes.io/component"]: _made_from(document)["spec"]["template"]["spec"]
        for document in of_kind(name, "StatefulSet", "Job", "CronJob")
    }


def _made_from(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a document makes pods by: a CronJob makes Jobs."""
    made: dict[str, Any] = document["spec"].get("jobTemplate", document)
    return made


@pytest.mark.parametrize("name", EVERY)
def test_what_kubectl_builds_is_right_by_kubernetes_own_schemas(name: str) -> None:
    faults = [fault for each in built(name) for fault in schemas()(each)]
    assert not faults, faults


def test_a_field_that_there_is_not_is_found() -> None:
    wrong = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "x"}, "spec": {"replica": 1}}
    assert any("replica" in fault for fault in schemas()(wrong))


@pytest.mark.parametrize("name", EVERY)
def test_each_pod_has_no_more_rights_than_it_needs(name: str) -> None:
    for component, pod in pods(name).items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], component
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert {mount["name"] for mount in container["volumeMounts"]} - {"state"} <= {
            volume["name"] for volume in pod.get("volumes", ())
        }
        if component != "migrate":
            assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
        if component in SETTINGS:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


@each_build
def test_services_find_their_pods_and_their_ports(name: str) -> None:
    sets = {each["metadata"]["name"]: each["spec"]["template"] for each in of_kind(name, "StatefulSet")}
    services = of_kind(name, "Service")
    assert len(services) == len(sets)
    for service in services:
        template = sets[service["metadata"]["name"]]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        (port,) = service["spec"]["ports"]
        (container,) = template["spec"]["containers"]
        assert {"name": port["targetPort"], "containerPort": port["port"]} in container["ports"]


@each_build
@pytest.mark.parametrize("component", SETTINGS)
def test_the_services_take_the_settings_of_their_config_maps(name: str, component: str, tmp_path: Path) -> None:
    kind, prefix = SETTINGS[component]
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(name, "ConfigMap")}
    (source,) = pods(name)[component]["containers"][0]["envFrom"]
    given = maps[source["configMapRef"]["name"]]
    for value in given.values():
        if named := re.fullmatch(r"/run/secrets/([\w-]+)", value):
            (tmp_path / named[1]).write_text("postgresql://x@y/z")
            (tmp_path / named[1]).chmod(0o600)
    loaded(kind, prefix, given, tmp_path)


def test_the_log_is_opened_in_the_volume_that_the_ledger_finds() -> None:
    (claim,) = of_kind("opening", "PersistentVolumeClaim")
    (ledger,) = (each for each in of_kind("base", "StatefulSet") if each["metadata"]["name"] == "credentify-ledger")
    (template,) = ledger["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == f"{template['metadata']['name']}-{ledger['metadata']['name']}-0"
    assert claim["spec"] == template["spec"]
    (source,) = pods("opening")["opening"]["containers"][0]["envFrom"]
    assert source == pods("base")["ledger"]["containers"][0]["envFrom"][0]


def test_the_backup_copies_what_the_ledger_uses_with_the_rights_of_the_owners() -> None:
    """It finds the key and the memory where the ledger has them, on the node where that volume is."""
    pod, ledger = pods("overlays/production")["backup"], pods("overlays/production")["ledger"]
    (container,) = pod["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    (settings,) = (each["data"] for each in of_kind("base", "ConfigMap") if each["metadata"]["name"].endswith("ledger"))
    for name in ("CREDENTIFY_LEDGER_LOG_KEY_FILE", "CREDENTIFY_LEDGER_STATE_FOLDER"):
        assert given[name] == settings[name]
    assert (
        given.items()
        >= {each["name"]: each["value"] for each in pods("base")["migrate"]["containers"][0]["env"]}.items()
    )
    claims = {each["name"]: each.get("persistentVolumeClaim") for each in pod["volumes"]}
    (opened,) = of_kind("opening", "PersistentVolumeClaim")
    assert claims["state"] == {"claimName": opened["metadata"]["name"]}
    assert {"name": "state", "mountPath": "/var/lib/credentify"} in ledger["containers"][0]["volumeMounts"]
    (rule,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (selected,) = (each for each in of_kind("base", "StatefulSet") if each["metadata"]["name"] == "credentify-ledger")
    labels = selected["spec"]["template"]["metadata"]["labels"]
    assert rule["labelSelector"]["matchLabels"].items() <= labels.items()
    assert container["args"][0] in main.list_commands(click.Context(main))


def test_in_production_verifiers_are_as_many_as_the_autoscaler_says_and_apart() -> None:
    (verifier,) = (
        each for each in of_kind("overlays/production", "StatefulSet") if "verifier" in each["metadata"]["name"]
    )
    assert "replicas" not in verifier["spec"]
    assert verifier["spec"]["template"]["spec"]["topologySpreadConstraints"]
    (scaler,) = of_kind("overlays/production", "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == verifier["metadata"]["name"]
    assert {each["metadata"].get("namespace") for each in built("overlays/production")} == {"credentify"}


def test_prometheus_is_told_where_to_ask_and_what_alarms() -> None:
    monitor, rule = of_kind("overlays/production", "ServiceMonitor", "PrometheusRule")
    monitor, rule = (monitor, rule) if monitor["kind"] == "ServiceMonitor" else (rule, monitor)
    labels = [each["metadata"]["labels"] for each in of_kind("overlays/production", "Service")]
    assert all(monitor["spec"]["selector"]["matchLabels"].items() <= each.items() for each in labels)
    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} == {"http"}
    assert rule["spec"]["groups"] == groups(), "python -m tests.support.helm_chart"
    for alert in alerts().values():
        assert alert.keys() == {"alert", "expr", "for", "labels", "annotations"}


@pytest.mark.parametrize("spec", [{"groups": [{"name": "x", "rules": [{"alert": "x"}]}]}, {"group": []}])
def test_a_rule_that_the_operator_would_not_take_is_found(spec: dict[str, Any]) -> None:
    wrong = {"apiVersion": OPERATOR, "kind": "PrometheusRule", "metadata": {"name": "x"}, "spec": spec}
    assert operator_faults(wrong)
