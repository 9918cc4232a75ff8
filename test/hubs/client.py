"""The official client of Hugging Face, for one request of a test. HF_ENDPOINT and HF_TOKEN say where and who."""

import json
import sys

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError


def upload(repository: str, folder: str, parent: str = "") -> object:
    api = HfApi()
    api.create_repo(repository, exist_ok=True)
    made = api.upload_folder(repo_id=repository, folder_path=folder, parent_commit=parent or None)
    return {"commit": made.oid}


def upload_pull_request(repository: str, folder: str) -> object:
    made = HfApi().upload_folder(repo_id=repository, folder_path=folder, create_pr=True)
    return {"commit": made.oid, "revision": made.pr_revision}


def download(repository: str, folder: str, revision: str = "main") -> object:
    return {"path": snapshot_download(repository, revision=revision, local_dir=folder)}


def snapshot(repository: str) -> object:
    return {"path": snapshot_download(repository)}


try:
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
except HfHubHTTPError as error:
    print(json.dumps({"status": error.response.status_code}))
