"""Runs Python code and returns what it prints.

Made for Lambda, where the environment has no rights of its own (see the template) and is thrown away. On your own
machine the code would run as you, so this function is left out there by its tag.
"""

import subprocess
import sys


def handler(event, context):
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", event["code"]],
            capture_output=True,
            text=True,
            timeout=max(1, context.get_remaining_time_in_millis() / 1000 - 1),
            env={},
        )
    except subprocess.TimeoutExpired:
        return {"isError": True, "content": [{"type": "text", "text": "The code ran too long."}]}
    return {"exitCode": done.returncode, "stdout": done.stdout[-20000:], "stderr": done.stderr[-5000:]}
