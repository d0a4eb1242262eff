// Issues, reads and verifies with types that openapi-typescript has made, compiled under `strict`; prints what came of it.
import createClient from "openapi-fetch";
import type { components, paths as GatewayPaths } from "./gateway.js";
import type { components as VerifierComponents, paths as VerifierPaths } from "./verifier.js";

type Award = components["schemas"]["Award"];
type AchievementRequest = components["schemas"]["AchievementRequest"];
type CredentialDocument = VerifierComponents["schemas"]["CredentialDocument"];

const [gatewayUrl = "", verifierUrl = "", apiKey = "", achievement = ""] = process.argv.slice(2);
const gateway = createClient<GatewayPaths>({
  baseUrl: gatewayUrl,
  headers: { Authorization: `Bearer ${apiKey}` },
});
const verifier = createClient<VerifierPaths>({ baseUrl: verifierUrl });

async function verdict(body: CredentialDocument | CredentialDocument[]): Promise<string[]> {
  const { data, error } = await verifier.POST("/v1/verifications", { body });
  if (data === undefined) throw new Error(error.detail);
  return Array.isArray(data) ? data.map((line) => line.answer?.verdict ?? "unread") : [data.verdict];
}

const request: AchievementRequest = JSON.parse(achievement);
const described = await gateway.POST("/v1/achievements", { body: request });
if (described.data === undefined) throw new Error(described.error.detail);
// What has a default need not be stated: these three are all that an award must say.
const award: Award = {
  learner: { ref: "grace", given_name: "Grace" },
  achievement: described.data.achievement.uri,
  valid_from: "2026-01-01",
};
const issued = await gateway.POST("/v1/credentials", {
  body: award,
  params: { header: { "Idempotency-Key": "typescript" } },
});
if (issued.data === undefined) throw new Error(issued.error.detail);
const path = { credential_id: issued.data.credential_id };
const read = await gateway.GET("/v1/credentials/{credential_id}/document", { params: { path } });
if (read.data === undefined) throw new Error(read.error.detail);
const document: CredentialDocument = read.data;
// The verifier follows the log, and has soon seen what was issued.
for (let asked = 0; asked < 100 && (await verdict(document))[0] === "indeterminate"; asked += 1) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const verdicts = [await verdict(document), await verdict([document, document])];
const wrong = await gateway.POST("/v1/credentials", { body: { ...award, achievement: "nowhere" } });
const revoked = await gateway.POST("/v1/credentials/{credential_id}/revoke", {
  params: { path },
  body: { reason: "error" },
});
console.log(
  JSON.stringify({
    issued: issued.data.credential_id,
    verdicts,
    problem: wrong.error?.type,
    revoked: revoked.response.status,
  }),
);
