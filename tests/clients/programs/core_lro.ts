// Runs exports with Azure's poller for JavaScript. Argument: the address of the API.
import { createHttpPoller, type OperationState, type RunningOperation } from "@azure/core-lro";

type Results = { status: string; id: string; counts: { exported: number } };

const base = process.argv[2] ?? "";

async function send(method: string, url: string, body?: unknown) {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const answer = await fetch(url, { ...init, headers: { "Content-Type": "application/json" } });
  const flatResponse = (await answer.json()) as Results;
  const headers = Object.fromEntries(answer.headers);
  const rawResponse = { statusCode: answer.status, request: { method, url }, headers, body: flatResponse };
  return { flatResponse, rawResponse };
}

async function run(request: unknown, started: (id: string) => Promise<unknown> = async () => undefined) {
  const operation: RunningOperation<Results> = {
    sendInitialRequest: async () => {
      const answer = await send("POST", `${base}/exports`, request);
      await started(answer.flatResponse.id);
      return answer;
    },
    sendPollRequest: (url) => send("GET", url),
  };
  const poller = createHttpPoller<Results, OperationState<Results>>(operation, { intervalInMs: 100 });
  try {
    const results = await poller.pollUntilDone();
    return { state: poller.operationState?.status, status: results.status, users: results.counts.exported };
  } catch (problem) {
    return { state: poller.operationState?.status, problem: (problem as Error).message };
  }
}

const [completed, failed, cancelled] = await Promise.all([
  run({ columns: "profile" }),
  run({ columns: "profile", filter: "noSuchProperty eq 'x'" }),
  run({ columns: "profile" }, (id) => send("POST", `${base}/exports/${id}/cancel`)),
]);
console.log(JSON.stringify({ completed, failed, cancelled }));
