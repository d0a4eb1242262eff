"""The Helm chart: written from the Kustomize base, and with its own values the same."""

import copy
from typing import Any

import yaml

from tests.packages.built_manifests import built, schemas
from tests.packages.conftest import run, tool
from tests.support.alert_rules import groups, prometheus_rule
from tests.support.helm_chart import CHART, COMPONENTS, KUBERNETES, RULES, tagged, version, written

_ANEW = "write it anew: make package-tools && python -m tests.support.helm_chart"
Documents = list[dict[str, Any]]


def rendered(*settings: str) -> Documents:
    """Return what helm makes of the chart."""
    options = [word for setting in settings for word in ("--set", setting)]
    said = run([tool(".programs/helm/helm"), "template", "credentify", CHART, *options]).stdout
    return [document for document in yaml.safe_load_all(said) if document]


def by_name(documents: Documents) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def test_chart_and_overlays_are_of_the_projects_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version(), version()), _ANEW
    for path in KUBERNETES.rglob("kustomization.yaml"):
        assert path.read_text() == tagged(path.read_text()), _ANEW


def test_the_chart_is_what_the_base_makes_of_it() -> None:
    tool(".programs/kubectl/kubectl")
    assert RULES.read_text() == prometheus_rule(), _ANEW
    found = {str(path.relative_to(CHART)): path.read_text() for path in CHART.rglob("*") if path.is_file()}
    assert found == written(), _ANEW


def test_with_its_own_values_the_chart_is_the_base() -> None:
    expected, found = by_name(copy.deepcopy(built("base"))), by_name(rendered())
    assert found.keys() == expected.keys()
    for name, document in found.items():
        document["metadata"].pop("annotations", None)  # when helm runs the job
        if template := document.get("spec", {}).get("template"):
            template["metadata"].pop("annotations", None)  # which settings it was started with
            (container,) = template["spec"]["containers"]
            container["image"] = container["image"].partition(":")[0]
        assert document == expected[name]


def test_the_chart_with_all_it_can_have_is_right_and_values_arrive() -> None:
    run([tool(".programs/helm/helm"), "lint", "--strict", CHART])
    enabled = [f"{name}.enabled=true" for name in COMPONENTS]
    found = rendered(*enabled, "image.tag=9.9", "gateway.settings.CREDENTIFY_GATEWAY_PORT=8102", "ledger.storage=7Gi")
    faults = [fault for each in found for fault in schemas()(each)]
    assert not faults, faults
    named = by_name(found)
    assert named["PrometheusRule", "credentify"]["spec"]["groups"] == groups()
    verifier, ledger = (named["StatefulSet", f"credentify-{name}"] for name in ("verifier", "ledger"))
    assert "replicas" not in verifier["spec"], "the autoscaler says how many"
    assert ledger["spec"]["template"]["spec"]["containers"][0]["image"] == "credentify:9.9"
    assert ledger["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "7Gi"
    assert named["ConfigMap", "credentify-gateway"]["data"]["CREDENTIFY_GATEWAY_PORT"] == "8102"
    before = by_name(rendered())["StatefulSet", "credentify-gateway"]["spec"]["template"]["metadata"]["annotations"]
    assert named["StatefulSet", "credentify-gateway"]["spec"]["template"]["metadata"]["annotations"] != before
