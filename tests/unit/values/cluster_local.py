"""What a local cluster has in place of production's, for tests of the overlay; nothing in it is real."""

from __future__ import annotations

from devenv.values.local import Local

LOCAL = Local(
    hub_db_url="postgresql://habari_hub:hidden-1@hub-db:5432/habari_hub",
    callback_url="http://localhost:8001/hub/oauth_callback",
    public_url="http://localhost:8001/",
    github_url="http://github:8090",
    authorize_url="http://127.0.0.1:8090/login/oauth/authorize",
    client_secret="hidden-2",
    contract={"AWS_SECRET_ACCESS_KEY": "hidden-3", "AWS_ENDPOINT_URL": "http://s3:9000"},
    cluster_cidr="172.18.0.0/16",
    ports=(5432, 9000),
    hub_ports=(5432, 8090),
    node_port=30081,
    images={
        "hub": ("habari/hub", "0.3"),
        "proxy": ("habari/proxy", "0.2"),
        "singleuser": ("habari/jupyter", "0.5"),
    },
)
