// graphile-worker, tuned as its page on performance says: a local queue,
// completions in batches, one more connection than jobs at a time.
import { run, runMigrations } from "graphile-worker";
import { Logger } from "@graphile/logger";
import { Progress, env, hear, insert, main, makePool, microseconds, say } from "./peer.mjs";

const concurrency = Number(env("CONCURRENCY", 24));
const pool = makePool(concurrency + 1, "graphile");
const preset = {
	worker: {
		concurrentJobs: concurrency,
		maxPoolSize: concurrency + 1,
		localQueue: { size: 500 },
		completeJobBatchDelay: 0,
		failJobBatchDelay: 0,
	},
};
const logger = new Logger(() => () => {});

const work = async (taskList) => {
	const runner = await run({ preset, pgPool: pool, taskList, logger, noHandleSignals: true });
	await hear("stop");
	return runner;
};

main({
	async setup() {
		await runMigrations({ preset, pgPool: pool, logger });
		say("ready");
	},

	async work() {
		const progress = new Progress();
		await pool.query("SELECT 1");
		say("ready");
		await hear("go");
		setInterval(() => progress.flush(), 500);
		const runner = await work({
			bench: async ({ n }) => {
				await insert(pool, n);
				progress.add();
			},
		});
		await runner.stop();
	},

	// Says when each job started.
	async latency() {
		const started = work({ bench: async ({ n }) => say("started", n, microseconds()) });
		say("ready");
		await (await started).stop();
	},
});
