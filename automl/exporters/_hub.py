"""A finished bundle, uploaded. Runs after the bundle is in place: what fails here loses nothing."""

from __future__ import annotations

from pathlib import Path

from automl.errors import AutoMLError


def push(folder: Path, repository: str, *, private: bool) -> str:
    """Upload the bundle in ``folder`` to the hub as one commit and return the repository's address.

    The repository (``owner/name``) is created where it does not exist; ``private`` only counts
    then. Files of the repository that the bundle does not have stay. Raises AutoMLError saying why
    (no token, no right, no network) and how to upload by hand.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        HTTPError,  # of the HTTP library the hub's client happens to use
        OfflineModeIsEnabled,
    )

    if get_token() is None:
        raise _failed(folder, repository, "no token is set", _LOGIN)
    hub = HfApi(library_name="automl")
    try:
        address = hub.create_repo(repository, private=private, exist_ok=True, repo_type="model")
        hub.upload_folder(
            repo_id=address.repo_id,
            folder_path=folder,
            repo_type="model",
            commit_message="Upload the bundle",
        )
    except HFValidationError as error:
        raise _failed(folder, repository, str(error), "name it `owner/name`") from error
    except OfflineModeIsEnabled as error:
        raise _failed(folder, repository, "HF_HUB_OFFLINE is set", "unset it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        why = f"the hub answered {status} ({error.server_message or error.response.reason_phrase})"
        first = _LOGIN if status in (401, 403) else "try again"
        raise _failed(folder, repository, why, first) from error
    except (HTTPError, ConnectionError) as error:
        why = f"{hub.endpoint} cannot be reached ({error})"
        raise _failed(folder, repository, why, "check the network") from error
    return str(address)


_LOGIN = "`hf auth login` with a token that may write there"


def _failed(folder: Path, repository: str, why: str, first: str) -> AutoMLError:
    return AutoMLError(
        f"the bundle was not uploaded to {repository}: {why}\n"
        f"  hint: it lies complete in {folder}: {first}, then `hf upload {repository} {folder}`"
    )
