"""`python -m benchmarks.first_list BINDING PRINCIPAL`: a fresh process imports function_app and lists exports once.

BINDING: the durable client's, as the host gives it. PRINCIPAL: the caller, as Easy Auth gives it.
"""

import asyncio
import json
import os
import sys
import time

from benchmarks.processes import usage


async def main(binding: str, principal: str) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    import azure.functions as func

    import function_app

    loaded = time.perf_counter()
    functions = {each.get_function_name(): each.get_user_function() for each in function_app.app.get_functions()}
    headers = {"X-MS-CLIENT-PRINCIPAL": principal}
    request = func.HttpRequest(method="GET", url="http://127.0.0.1/api/exports", headers=headers, body=b"")
    answer = await functions["list_exports"](req=request, client=binding)
    ended = time.perf_counter()
    found = {"import": loaded - started, "first": ended - loaded, "cpu": time.process_time() - cpu}
    found["rss"] = usage(os.getpid()).rss
    print(json.dumps(found | {"status": answer.status_code}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
