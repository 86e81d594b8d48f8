// What the drivers of brokers share.
import { env, hear, main, makePool, microseconds, say } from "./peer.mjs";

export { env, main };

// CLIENTS loops for SECONDS, each waiting for the acknowledgement of one message
// before it sends the next one.
export const publish = async (connect, send) => {
	const end = performance.now() + 1000 * Number(env("SECONDS"));
	let sent = 0;
	const begin = performance.now();
	await Promise.all(
		Array.from({ length: Number(env("CLIENTS")) }, async () => {
			const to = await connect();
			while (performance.now() < end) {
				await send(to, 1);
				sent++;
			}
		}),
	);
	say("rate", (1000 * sent) / (performance.now() - begin));
};

// Sends COUNT messages, PAUSE ms apart, or at once if it is 0. With a pause, says
// when each was acknowledged and received. Without, consumes them after "go", and
// says how long that took.
export const consume = async (to, send, receive, acknowledge) => {
	const count = Number(env("COUNT"));
	const pause = Number(env("PAUSE", 0));
	const pool = makePool(1, "consumer");
	const all = async () => {
		for (let done = 0; done < count; ) {
			const batch = await receive(pause ? 1 : 100);
			if (pause) batch.forEach(({ n }) => say("started", n, microseconds()));
			else if (batch.length)
				await pool.query({
					name: "effects",
					text: "INSERT INTO effect SELECT unnest($1::integer[])",
					values: [batch.map(({ n }) => n)],
				});
			if (batch.length) await acknowledge(batch);
			done += batch.length;
		}
	};
	if (pause) {
		const consumed = all();
		for (let n = 1; n <= count; n++) {
			await send(to, n);
			say("sent", n, microseconds());
			await new Promise((resolve) => setTimeout(resolve, pause));
		}
		await consumed;
		return;
	}
	for (let n = 1; n <= count; n += 500)
		await Promise.all(Array.from({ length: Math.min(500, count - n + 1) }, (_, i) => send(to, n + i)));
	await pool.query("SELECT 1");
	say("ready");
	await hear("go");
	const begin = performance.now();
	await all();
	say("time", (performance.now() - begin) / 1000);
};
