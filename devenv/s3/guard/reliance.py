"""What this server relies on inside the engine, checked before the first request is served."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect

from .exits import MISSING, StartError

ENGINE = "ministack"
ENGINE_VERSION = "1.5.33"

_DATA = ""
_S3 = "ministack.services.s3"
_APP = "ministack.app"
_ACTIONS = "ministack.core.iam_actions"
_EVALUATOR = "ministack.core.iam_evaluator"
_PERSISTENCE = "ministack.core.persistence"

# module, attribute, the names of its parameters ("" for what is not a function)
_RELIED_ON = (
    (
        _S3,
        "handle_request",
        "method path headers body query_params signed_path enforce_bucket_region internal"
        " access_point_region access_point",
    ),
    (_S3, "_atomic_write", "fpath data text"),
    (_S3, "_remove_key_files", "fpath"),
    (_S3, "_delete_version_file", "bucket_name key version_id"),
    (_S3, "_version_disk_path", "bucket key version_id account_id"),
    (_S3, "_delete_persisted_bucket", "name"),
    (_S3, "_persist_version_state", "bucket_name key bucket"),
    (_S3, "_object_meta_from_record", "obj"),
    (_S3, "_key_history_meta", "bucket_name key"),
    (_S3, "_load_persisted_data", ""),
    (_S3, "_load_persisted_history", "account_id bucket bucket_name key meta"),
    (_S3, "_version_entry_from_record", "obj version_id data"),
    (_S3, "_object_record_from_version", "v"),
    (_S3, "_read_body", "bucket_name key obj"),
    (_S3, "_object_disk_path", "bucket key account_id"),
    (_S3, "_get_object", "bucket_name key headers query_params"),
    (_S3, "_head_object", "bucket_name key headers query_params"),
    (_S3, "_put_object", "bucket_name key body headers"),
    (_S3, "_put_object_retention", "bucket_name key body headers query_params"),
    (_S3, "_put_object_legal_hold", "bucket_name key body query_params"),
    (_S3, "_create_multipart_upload", "bucket_name key headers"),
    (_S3, "_upload_part", "bucket_name key body query_params headers"),
    (_S3, "_upload_part_copy", "bucket_name dest_key query_params headers"),
    (_S3, "_complete_multipart_upload", "bucket_name key body query_params headers"),
    (_S3, "_abort_multipart_upload", "bucket_name key query_params"),
    (_S3, "_collect_list_entries", "bucket_objects prefix delimiter max_keys start_after"),
    (_S3, "get_state", ""),
    (_S3, "load_persisted_state", "data"),
    (_S3, "_apply_bucket_scope", "method bucket key headers query_params body internal"),
    (_S3, "_bucket_owner_account", "name"),
    (_S3, "_request_access_key", "method key headers query_params body"),
    (_S3, "cors_response_headers", "bucket_name method headers"),
    (_S3, "_parse_bucket_key", "path headers"),
    (_S3, "_copy_object", "bucket_name dest_key headers"),
    (_S3, "_no_such_bucket", "name"),
    (_S3, "_find_xml_tag", "parent tag_name ns"),
    (_S3, "fromstring", "text forbid_dtd forbid_entities forbid_external"),
    (_S3, "S3_NS", _DATA),
    (_S3, "_completed_multipart_uploads", _DATA),
    (_S3, "_buckets", _DATA),
    (_S3, "_object_tags", _DATA),
    (_S3, "_object_versions", _DATA),
    (_S3, "_object_retention", _DATA),
    (_S3, "_object_legal_hold", _DATA),
    (_S3, "_multipart_uploads", _DATA),
    (_S3, "DATA_DIR", _DATA),
    (_S3, "S3_PERSIST", _DATA),
    (_S3, "logger", _DATA),
    ("ministack.services.iam", "handle_request", "method path headers body query_params"),
    ("ministack.services.iam", "get_state", ""),
    ("ministack.services.iam", "load_persisted_state", "data"),
    ("ministack.services.iam", "_access_keys", _DATA),
    ("ministack.services.sts", "handle_request", "method path headers body query_params"),
    ("ministack.services.sts", "_sessions", _DATA),
    (_APP, "app", "scope receive send"),
    (_APP, "detect_service", "method path headers query_params"),
    (_APP, "AUTH", _DATA),
    (_APP, "_routing_params", "method path headers body query_params"),
    (_APP, "_authenticate_only", "service headers query_params request_id"),
    (_APP, "extract_access_key_id", "headers query_params"),
    (_APP, "extract_region", "headers query_params"),
    (_APP, "_handle_options_request", "method path headers query_params request_id"),
    (_APP, "_handle_pre_body_request", "method path headers query_params request_id"),
    (_APP, "_handle_post_body_shortcuts", "method path headers body query_params request_id"),
    (
        _APP,
        "_handle_special_data_plane_request",
        "method path headers body query_params request_id raw_path raw_query_string client_ip",
    ),
    (_APP, "_handle_s3_vhost_request", "host path method headers body query_params"),
    (_APP, "_with_data_plane_headers", "response request_id include_s3_id wildcard_cors"),
    (_APP, "_s3_cors_target", "host path path_style"),
    (_ACTIONS, "extract_iam_action", "service method path headers body query_params"),
    (
        _ACTIONS,
        "extract_resource_arn",
        "service method path headers body query_params region account_id",
    ),
    (_ACTIONS, "s3_additional_checks", "method path headers body query_params"),
    (_ACTIONS, "_s3_action", "method path query_params"),
    (_ACTIONS, "_s3_source_object", "headers"),
    (_ACTIONS, "_S3_GOVERNANCE_BYPASS_ACTIONS", _DATA),
    (_EVALUATOR, "enforce", "access_key_id iam_action service region resource_arn service_context"),
    (_EVALUATOR, "is_root_access_key", "access_key_id"),
    (_EVALUATOR, "_is_root_key", "access_key_id"),
    (_PERSISTENCE, "_json_default", "obj"),
    (_PERSISTENCE, "_json_object_hook", "obj"),
    (_PERSISTENCE, "_state_format_version", "service"),
    ("ministack.core.responses", "AccountScopedDict", "self"),
    ("ministack.core.responses", "AccountRegionScopedDict", "self"),
    ("ministack.core.responses", "StreamingResponse", "self runner"),
    ("ministack.core.responses", "get_account_id", ""),
)


def check_version() -> None:
    """Raises :class:`StartError` unless the engine is the version this code was written for."""
    try:
        found = importlib.metadata.version(ENGINE)
    except importlib.metadata.PackageNotFoundError:
        raise StartError(MISSING, f"{ENGINE} {ENGINE_VERSION} is not installed in this environment") from None
    if found != ENGINE_VERSION:
        raise StartError(
            MISSING, f"{ENGINE} {found} is installed; this server was written for {ENGINE_VERSION}"
        )


def check_internals() -> None:
    """Import the engine; raises :class:`StartError` with every internal that is not as this code knows it."""
    problems = [problem for entry in _RELIED_ON if (problem := _problem(*entry))]
    if problems:
        raise StartError(MISSING, f"{ENGINE} {ENGINE_VERSION} is not as expected: {'; '.join(problems)}")


def _problem(module: str, attribute: str, parameters: str) -> str:
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        return f"{module} cannot be imported ({error})"
    except AttributeError:
        return f"{module}.{attribute} is missing"
    if isinstance(found, type):
        found = found.__init__
    if not inspect.isfunction(found):
        return "" if parameters == _DATA else f"{module}.{attribute} is not a function"
    taken = " ".join(inspect.signature(found).parameters)
    return "" if taken == parameters else f"{module}.{attribute} takes ({taken})"
