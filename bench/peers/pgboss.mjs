// pg-boss, tuned as its documentation says: notified queue, fetches in
// batches, again at once while batches come back full. Two ways to work: each
// row by a commit of its own, or (TRANSACTIONAL) a batch's rows and its
// completion in one transaction.
import { PgBoss } from "pg-boss";
import { Progress, connection, env, hear, insert, main, makePool, microseconds, say } from "./peer.mjs";

const queue = "bench";
const batchSize = Number(env("BATCH", 500));
const localConcurrency = Number(env("CONCURRENCY", 4));
const transactional = env("TRANSACTIONAL") === "1";

const boss = new PgBoss({
	...connection,
	application_name: "pgboss",
	max: localConcurrency + 6,
	useListenNotify: true,
});
boss.on("error", (error) => console.error(error.message));
boss.on("warning", () => {});

const options = { batchSize, localConcurrency, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
const jobs = (from, count) => Array.from({ length: count }, (_, i) => ({ data: { n: from + i } }));

main({
	async setup() {
		await boss.start();
		await boss.createQueue(queue, { notify: true });
		say("ready");
		await boss.stop({ graceful: false });
	},

	// COUNT jobs by insert(), SIZE a call.
	async fill() {
		const count = Number(env("COUNT"));
		const size = Number(env("SIZE", 5000));
		await boss.start();
		const before = performance.now();
		for (let n = 0; n < count; n += size)
			await boss.insert(queue, jobs(n + 1, Math.min(size, count - n)));
		say("time", (performance.now() - before) / 1000);
		await boss.stop({ graceful: false });
	},

	// send() one after another by CLIENTS for SECONDS.
	async send() {
		const clients = Number(env("CLIENTS"));
		let sent = 0;
		await boss.start();
		await boss.send(queue, { n: 0 });
		const before = performance.now();
		const end = before + 1000 * Number(env("SECONDS"));
		await Promise.all(
			Array.from({ length: clients }, async () => {
				for (; performance.now() < end; sent++) await boss.send(queue, { n: sent });
			}),
		);
		say("rate", (1000 * sent) / (performance.now() - before));
		await boss.stop({ graceful: false });
	},

	async work() {
		const progress = new Progress();
		const pool = makePool(24, "pgboss");
		const handler = transactional
			? async (batch, tx) => {
					for (const { data } of batch) {
						await tx.executeSql("INSERT INTO effect VALUES ($1)", [data.n]);
						progress.add();
					}
				}
			: async (batch) => {
					await Promise.all(
						batch.map(async ({ data }) => {
							await insert(pool, data.n);
							progress.add();
						}),
					);
				};
		await boss.start();
		await pool.query("SELECT 1");
		say("ready");
		await hear("go");
		setInterval(() => progress.flush(), 500);
		await boss.work(queue, { ...options, transactional }, handler);
		await hear("stop");
		await boss.stop({ graceful: true });
	},

	// Says when each job started.
	async latency() {
		await boss.start();
		await boss.work(queue, options, async (batch) => {
			for (const { data } of batch) say("started", data.n, microseconds());
		});
		say("ready");
		await hear("stop");
		await boss.stop({ graceful: false });
	},

	// COUNT times send(), PAUSE ms apart; says when each was acknowledged.
	async produce() {
		const count = Number(env("COUNT"));
		const pause = Number(env("PAUSE"));
		await boss.start();
		say("ready");
		await hear("go");
		for (let n = 1; n <= count; n++) {
			await boss.send(queue, { n });
			say("sent", n, microseconds());
			await new Promise((resolve) => setTimeout(resolve, pause));
		}
		await boss.stop({ graceful: false });
	},
});
