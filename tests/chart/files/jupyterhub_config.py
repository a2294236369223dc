"""The hub's configuration: the release's values, read by the toolkit's own translation, and pods beside it.

What any hub takes of the values comes from ``devenv.values.hub``, as for a hub with no cluster; what
describes pods is mapped here. Where things run and the release's own secrets come last but for
hub.extraConfig.
"""

import os
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
SECRET = HERE.with_name("jupyterhub-secret")
sys.path.insert(0, str(HERE))

from devenv.hub import extra_config, z2jh  # noqa: E402
from devenv.hub.settings import ExtraConfig  # noqa: E402
from devenv.values import variables  # noqa: E402
from devenv.values.hub import configuration, with_defaults  # noqa: E402
from devenv.values.keys import at  # noqa: E402

c = get_config()  # noqa: F821 - JupyterHub's own, in the scope of every configuration file

# KubeSpawner's traits and the keys below singleuser that they come from.
# https://jupyterhub-kubespawner.readthedocs.io/en/latest/spawner.html
PODS = {
    "image_pull_policy": "image.pullPolicy",
    "image_pull_secrets": "image.pullSecrets",
    "pod_name_template": "podNameTemplate",
    "uid": "uid",
    "fs_gid": "fsGid",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
    "service_account": "serviceAccountName",
    "events_enabled": "events",
    "extra_annotations": "extraAnnotations",
    "node_selector": "nodeSelector",
    "tolerations": "extraTolerations",
    "lifecycle_hooks": "lifecycleHooks",
    "init_containers": "initContainers",
    "extra_containers": "extraContainers",
    "extra_pod_config": "extraPodConfig",
    "extra_resource_limits": "extraResource.limits",
    "extra_resource_guarantees": "extraResource.guarantees",
    "profile_list": "profileList",
    "storage_capacity": "storage.capacity",
    "storage_class": "storage.dynamic.storageClass",
    "storage_access_modes": "storage.dynamic.storageAccessModes",
    "pvc_name_template": "storage.dynamic.pvcNameTemplate",
}


def secret(name: str) -> str:
    return (SECRET / name).read_text()


def value(path: str) -> object:
    return at(values, tuple(path.split(".")))


def named(given: object) -> list[dict[str, object]]:
    """Volumes and mounts: a list, or a mapping whose keys serve the merging of files alone."""
    return list(given.values()) if isinstance(given, dict) else list(given or ())


def home() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The volume of a person's home and where it is mounted."""
    kind, mount = value("singleuser.storage.type"), value("singleuser.storage.homeMountPath")
    if kind == "dynamic":
        name = value("singleuser.storage.dynamic.volumeNameTemplate")
        claim, path = "{pvc_name}", value("singleuser.storage.dynamic.subPath")
    elif kind == "static":
        name, claim = "home", value("singleuser.storage.static.pvcName")
        path = value("singleuser.storage.static.subPath")
    else:
        return [], []
    volume = {"name": name, "persistentVolumeClaim": {"claimName": claim}}
    return [volume], [{"name": name, "mountPath": mount, **({"subPath": path} if path else {})}]


values = with_defaults(yaml.safe_load(secret("values.yaml")))
wanted = configuration(values)
os.environ.update(wanted.hub_environment)

# what any hub takes
for section, traits in wanted.config.items():
    for trait, given in traits.items():
        c[section][trait] = given
c.JupyterHub.services = [dict(each) for each in wanted.services]
c.JupyterHub.load_roles = [dict(each) for each in wanted.load_roles]
if wanted.culler:
    api = f"http://localhost:8081{str(value('hub.baseUrl')).rstrip('/')}/hub/api"
    words = [sys.executable, "-m", "jupyterhub_idle_culler", f"--url={api}", *wanted.culler.arguments]
    c.JupyterHub.services.append({"name": wanted.culler.name, "command": words})
    c.JupyterHub.load_roles.append(wanted.culler.role)

# what describes pods
for trait, key in PODS.items():
    if (given := value(f"singleuser.{key}")) is not None:
        c.KubeSpawner[trait] = given
c.Spawner.cmd = value("singleuser.cmd")
c.KubeSpawner.image = f"{value('singleuser.image.name')}:{value('singleuser.image.tag')}"
c.KubeSpawner.environment = {
    name: given
    for name, given in variables.entries(value("singleuser.extraEnv"))
    if given is not None and given != ""
}
c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.KubeSpawner.storage_pvc_ensure = value("singleuser.storage.type") == "dynamic"
volumes, mounts = home()
c.KubeSpawner.volumes = [*volumes, *named(value("singleuser.storage.extraVolumes"))]
c.KubeSpawner.volume_mounts = [*mounts, *named(value("singleuser.storage.extraVolumeMounts"))]
c.KubeSpawner.common_labels = {
    "app.kubernetes.io/name": "jupyterhub",
    "app.kubernetes.io/instance": os.environ["HELM_RELEASE_NAME"],
    "app.kubernetes.io/managed-by": "kubespawner",
    "app": "jupyterhub",
    "release": os.environ["HELM_RELEASE_NAME"],
}
c.KubeSpawner.extra_labels = {
    "hub.jupyter.org/network-access-hub": "true",
    **(value("singleuser.extraLabels") or {}),
}
for trait, given in (value("hub.config.KubeSpawner") or {}).items():
    c.KubeSpawner[trait] = given

# where things run
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 60
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.JupyterHub.cookie_secret = bytes.fromhex(secret("cookie-secret"))
c.CryptKeeper.keys = [bytes.fromhex(secret("crypt-key"))]
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
databases = {"sqlite-pvc": "sqlite:////srv/jupyterhub/jupyterhub.sqlite", "sqlite-memory": "sqlite://"}
c.JupyterHub.db_url = databases.get(str(value("hub.db.type")), value("hub.db.url"))
if password := value("hub.db.password"):
    os.environ["PGPASSWORD"] = str(password)

# the values' own code, which has the last word
secrets = {
    "hub.config.JupyterHub.cookie_secret": secret("cookie-secret"),
    "hub.config.ConfigurableHTTPProxy.auth_token": secret("proxy-token"),
    "hub.config.CryptKeeper.keys": secret("crypt-key"),
}
module = z2jh.Z2jh(values, secrets=secrets, names={})
z2jh.install(module)
scope = {"__name__": "hub.extraConfig", "c": c, "os": os, "re": re, "sys": sys}
scope |= {name: getattr(module, name) for name in z2jh.PUBLIC}
extra_config.run((ExtraConfig(each.name, each.code) for each in wanted.extra_config), scope)
