"""Runs one Lambda handler for Python in this process: the loop of the Lambda Runtime API, on the standard library.

A handler that is a coroutine function is awaited, which the stock runtime of Lambda does not do. Argument: the
module's file when the configuration names one.
"""

import asyncio
import http.client
import importlib
import importlib.util
import inspect
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from urllib.parse import quote

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime"
ROOT = os.environ["LAMBDA_TASK_ROOT"]
MODULE_FILE = sys.argv[1] if len(sys.argv) > 1 else None
MAX_STACK = 50
MAX_TEXT = 256 * 1024
#: Descriptor that the gateway holds open for as long as it lives.
LIFELINE = 3


class RuntimeFailure(Exception):
    """A failure with Lambda's own error type."""

    def __init__(self, error_type, message):
        super().__init__(message)
        self.error_type = error_type


# ------------------------------------------------------------------------------------------------ connection


class Api:
    """One keep-alive connection to the gateway. When it breaks, the gateway is gone and this process ends."""

    def __init__(self):
        self.connection = http.client.HTTPConnection(API)

    def request(self, method, path, body=None):
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            self.connection.request(method, BASE + path, body, headers)
            response = self.connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            os._exit(0)

    def next(self):
        status, headers, body = self.request("GET", "/invocation/next")
        if status != 200:
            os._exit(1)
        return headers, body

    def answer(self, request_id, kind, text):
        self.request("POST", f"/invocation/{quote(request_id)}/{kind}", text.encode("utf-8"))

    def init_error(self, text):
        self.request("POST", "/init/error", text.encode("utf-8"))


def end_with_gateway():
    """Ends this process and its own children when the gateway vanishes, even in the middle of a handler."""

    def wait():
        try:
            while os.read(LIFELINE, 1):
                pass
        except OSError:
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


# --------------------------------------------------------------------------------------------------- handler


def load_handler():
    name = os.environ["_HANDLER"]
    module_name, _, attribute = name.rpartition(".")
    if MODULE_FILE is not None:
        module = load_file(MODULE_FILE)
        path = attribute
    else:
        if not module_name or not attribute:
            raise RuntimeFailure("Runtime.MalformedHandlerName", f'The handler "{name}" is not of the form module.function.')
        if module_name.startswith("/") or ".." in module_name.split("/"):
            raise RuntimeFailure("Runtime.MalformedHandlerName", f'The module of handler "{name}" leaves the code folder.')
        module = load_module(module_name.replace("/", "."))
        path = attribute
    handler = getattr(module, path, None)
    if not callable(handler):
        raise RuntimeFailure("Runtime.HandlerNotFound", f'The module of handler "{name}" has no function "{path}".')
    return handler


def load_module(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RuntimeFailure("Runtime.ImportModuleError", f'Unable to import module "{name}": {error}') from error
    except SyntaxError as error:
        raise RuntimeFailure("Runtime.UserCodeSyntaxError", f'Syntax error in module "{name}": {error}') from error


def load_file(file):
    spec = importlib.util.spec_from_file_location(os.path.splitext(file)[0], os.path.join(ROOT, file))
    if spec is None or spec.loader is None:
        raise RuntimeFailure("Runtime.ImportModuleError", f'Unable to import "{file}": it is no Python file.')
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise RuntimeFailure("Runtime.ImportModuleError", f'Unable to import "{file}": {error}') from error
    except SyntaxError as error:
        raise RuntimeFailure("Runtime.UserCodeSyntaxError", f'Syntax error in "{file}": {error}') from error
    return module


# ------------------------------------------------------------------------------------------------ invocation


class Client:
    def __init__(self, parts):
        for key in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, key, parts.get(key))


class ClientContext:
    def __init__(self, parts):
        self.custom = parts.get("custom") or {}
        self.env = parts.get("env") or {}
        self.client = Client(parts["client"]) if isinstance(parts.get("client"), dict) else None


class CognitoIdentity:
    def __init__(self, parts):
        self.cognito_identity_id = parts.get("cognitoIdentityId")
        self.cognito_identity_pool_id = parts.get("cognitoIdentityPoolId")


class LambdaContext:
    """What a handler gets beside its event, named as Lambda names it."""

    def __init__(self, headers):
        client = headers.get("Lambda-Runtime-Client-Context")
        identity = headers.get("Lambda-Runtime-Cognito-Identity")
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        self.client_context = ClientContext(json.loads(client)) if client else None
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})
        self._deadline_ms = int(headers.get("Lambda-Runtime-Deadline-Ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        print(message, end="" if str(message).endswith("\n") else "\n", flush=True)


class RequestIdFilter(logging.Filter):
    """Gives each record the id of the invocation that it belongs to."""

    request_id = ""

    def filter(self, record):
        record.aws_request_id = RequestIdFilter.request_id
        return True


def set_up_logging():
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RequestIdFilter())
    logging.getLogger().addHandler(handler)


def own_frames(error):
    """The frames from the handler on: those of this file say nothing about it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename not in (__file__, asyncio.runners.__file__, asyncio.base_events.__file__)]
    return traceback.format_list(own[-MAX_STACK:])


def describe(error):
    if isinstance(error, RuntimeFailure):
        stack = own_frames(error.__cause__) if error.__cause__ is not None else []
        return {"errorMessage": str(error)[:MAX_TEXT], "errorType": error.error_type, "stackTrace": stack}
    return {"errorMessage": str(error)[:MAX_TEXT], "errorType": type(error).__name__, "stackTrace": own_frames(error)}


def encode_error(error):
    text = json.dumps(describe(error))
    print(f"Invoke Error\t{text}", file=sys.stderr, flush=True)
    return text


def encode(result):
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
        return text
    except (TypeError, ValueError, RecursionError) as error:
        raise RuntimeFailure("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def run(loop, handler, event, context):
    result = handler(event, context)
    # One loop for all invocations, so that clients which a module keeps stay usable.
    return loop.run_until_complete(result) if inspect.isawaitable(result) else result


def serve(api, handler):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    while True:
        headers, body = api.next()
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        RequestIdFilter.request_id = request_id
        trace = headers.get("Lambda-Runtime-Trace-Id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            kind, text = "response", encode(run(loop, handler, json.loads(body), LambdaContext(headers)))
        except Exception as error:  # Whatever a handler raises is its answer.
            kind, text = "error", encode_error(error)
        sys.stdout.flush()
        api.answer(request_id, kind, text)


def main():
    end_with_gateway()
    set_up_logging()
    # The first place, as on Lambda; this file's own folder has nothing for a handler.
    sys.path[0] = ROOT
    api = Api()
    try:
        handler = load_handler()
    except Exception as error:  # Told with its type and message; the process cannot go on.
        api.init_error(encode_error(error))
        sys.exit(1)
    serve(api, handler)


if __name__ == "__main__":
    main()
