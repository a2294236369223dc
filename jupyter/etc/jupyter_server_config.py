"""Jupyter's configuration, the same for a process on a laptop and for the single-user image (/etc/jupyter).

Address, port, folder and token are not here: whoever starts the server gives them. The reference of every
setting: `jupyter lab --help-all`.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821  (Jupyter defines it)

# Taken out of the environment, so that no kernel finds it there.
if token := os.environ.pop("JUPYTER_TOKEN", ""):
    c.IdentityProvider.token = token

c.ServerApp.default_url = "/lab"
# "true" alone, so that DEBUG=false and DEBUG=0 mean what they say.
c.ServerApp.autoreload = os.environ.get("DEBUG", "").lower() == "true"

# Nothing asks the network: no news, no question whether to fetch them, no look-up of versions or extensions.
# Packages come from the lock, so Lab offers to install none.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"

# Settings of the classic Notebook are not read: that takes a twentieth of a second of each start, for nobody.
c.ServerApp.jpserver_extensions = {"notebook_shim": False}
# Language servers of node: those of the folder and the environment. The machine's npm would be asked, each
# time, for others, which production has not.
c.LanguageServerManager.node_roots = [Path.cwd(), Path(sys.prefix, "lib"), Path(sys.prefix)]

# Otherwise every account of the machine can read the outputs of a kernel from its ports.
c.KernelManager.transport_encryption = "auto"

# The project's buckets, as the variables S3_BUCKET_NAME_* name them, beside the files of the home.
c.ServerApp.contents_manager_class = "jupyter_buckets.manager.BucketsContentsManager"

# A pod has no bin to fetch a file back from, and a trash folder in the home only fills its volume.
# Without one, a folder goes with what is in it, as it does in a bucket; Lab asks first.
c.FileContentsManager.delete_to_trash = False
c.FileContentsManager.always_delete_dir = True
