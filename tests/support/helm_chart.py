"""`python -m tests.support.helm_chart`: writes the Helm chart from the Kustomize base and components, the rules too.

It needs kubectl (`make package-tools`). So there is one source: what the chart gives with its own values is what
`kubectl kustomize` gives.
"""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.support.alert_rules import prometheus_rule

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES, CHART = ROOT / "deploy" / "kubernetes", ROOT / "deploy" / "helm" / "credentify"
KUBECTL = ROOT / "tests" / "packages" / "tools" / ".programs" / "kubectl" / "kubectl"
COMPONENTS = {
    "backup": "backup/cronjob.yaml",
    "disruption": "disruption/budgets.yaml",
    "autoscaling": "autoscaling/verifiers.yaml",
    "networkPolicy": "network-policy/policies.yaml",
    "monitoring": "monitoring/monitor.yaml",
}
RULES = KUBERNETES / "components" / "monitoring" / "rules.yaml"
SERVICES = ("ledger", "gateway", "verifier")
_GENERATED = "{{- /* Written by tests/support/helm_chart.py from deploy/kubernetes: change it there. */ -}}\n"
_SETTINGS = """
{{- range $name, $value := .Values.%s.settings }}
  {{ $name }}: {{ $value | quote }}
{{- end }}"""
_IMAGE = '"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"'
_RESOURCES = "{{ toJson .Values.%s.resources }}"
_HOOK = {
    "helm.sh/hook": "post-install,pre-upgrade",
    "helm.sh/hook-delete-policy": "before-hook-creation",
}
Documents = list[dict[str, Any]]


def built() -> Documents:
    """Return what kubectl makes of the base."""
    said = subprocess.run([KUBECTL, "kustomize", KUBERNETES / "base"], capture_output=True, check=True)
    return list(yaml.safe_load_all(said.stdout))


def written() -> dict[str, str]:
    """Return the files of the chart, by their path in it."""
    documents = built()
    values: dict[str, Any] = {"image": {"repository": "credentify", "tag": ""}}
    words = {"@@image@@": _IMAGE}
    for document in documents:
        _settle(document, values, words)
    values |= {name: {"enabled": False} for name in COMPONENTS}
    files = {"templates/base.yaml": _GENERATED + _dumped(documents, words)}
    for name, path in COMPONENTS.items():
        text = (KUBERNETES / "components" / path).read_text().replace("image: credentify\n", f"image: {_IMAGE}\n")
        if name == "monitoring":
            text += "---\n" + _escaped(prometheus_rule())
        files[f"templates/{path.partition('/')[0]}.yaml"] = (
            f"{_GENERATED}{{{{- if .Values.{name}.enabled }}}}\n{text}{{{{- end }}}}\n"
        )
    chart = {
        "apiVersion": "v2",
        "name": "credentify",
        "description": "A clearinghouse for micro-credentials on a transparency log",
        "type": "application",
        "version": version(),
        "appVersion": version(),
        "kubeVersion": ">=1.27.0-0",
    }
    said = (
        "# Settings are those of the services (`CREDENTIFY_…`); secrets are made beforehand (deploy/OPERATIONS.md).\n"
    )
    return files | {"Chart.yaml": _yaml(chart), "values.yaml": said + _yaml(values)}


def _escaped(text: str) -> str:
    """Return what Helm writes as this text: words of Prometheus' own in double braces are none of Helm's."""
    return text.replace("{{", '{{ "{{" }}')


def _settle(document: dict[str, Any], values: dict[str, Any], words: dict[str, str]) -> None:
    """Put marks in the place of what the chart's values say, and note the values."""
    kind, name = document["kind"], document["metadata"]["name"].removeprefix("credentify-")
    own = values.setdefault(name, {}) if name in SERVICES else {}
    if kind == "ConfigMap":
        own["settings"] = document["data"]
        document["data"] = mark = f"@@settings.{name}@@"
        words[f" {mark}"] = _SETTINGS % name
    if kind == "Job":
        document["metadata"]["annotations"] = dict(_HOOK)
    if kind in {"Job", "StatefulSet"}:
        (container,) = document["spec"]["template"]["spec"]["containers"]
        container["image"] = "@@image@@"
    if kind == "StatefulSet":
        _settle_set(document["spec"], name, own, words)


def _settle_set(spec: dict[str, Any], name: str, own: dict[str, Any], words: dict[str, str]) -> None:
    (container,), (claim,) = spec["template"]["spec"]["containers"], spec["volumeClaimTemplates"]
    requests = claim["spec"]["resources"]["requests"]
    own |= {"replicas": spec["replicas"], "storage": requests["storage"], "resources": container["resources"]}
    spec["replicas"], requests["storage"] = f"@@{name}.replicas@@", f"@@{name}.storage@@"
    container["resources"] = f"@@{name}.resources@@"
    # A pod reads its settings once: where they change, it is started anew.
    spec["template"]["metadata"]["annotations"] = {"checksum/settings": f"@@{name}.checksum@@"}
    words[f"@@{name}.checksum@@"] = f"{{{{ toJson .Values.{name}.settings | sha256sum }}}}"
    words[f"@@{name}.replicas@@"] = f"{{{{ .Values.{name}.replicas }}}}"
    words[f"@@{name}.storage@@"] = f"{{{{ .Values.{name}.storage }}}}"
    words[f"@@{name}.resources@@"] = _RESOURCES % name
    if name == "verifier":
        words["  replicas: '@@verifier.replicas@@'\n"] = (
            "  {{- if not .Values.autoscaling.enabled }}\n  replicas: {{ .Values.verifier.replicas }}\n  {{- end }}\n"
        )


def _dumped(documents: Documents, words: dict[str, str]) -> str:
    text = "---\n".join(map(_yaml, documents))
    for mark, said in sorted(words.items(), key=lambda pair: -len(pair[0])):
        quoted = mark.replace("@@", "'@@", 1)
        quoted = quoted[::-1].replace("@@", "'@@", 1)[::-1] if "\n" not in mark else mark
        text = text.replace(quoted, said).replace(mark, said)
    assert "@@" not in text, "each mark has its words"
    return text


def _yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, width=1_000, allow_unicode=True))


def version() -> str:
    """Return the project's version."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def tagged(text: str) -> str:
    """Return a Kustomization whose image is that of the project's version."""
    return re.sub(r"(name: credentify, newTag: )\d[\w.]*", rf"\g<1>{version()}", text)


def main() -> None:
    """Write the chart, the component's rules, and the version into the overlays."""
    RULES.write_text(prometheus_rule())
    for overlay in KUBERNETES.rglob("kustomization.yaml"):
        overlay.write_text(tagged(overlay.read_text()))
    for path, text in written().items():
        target = CHART / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
