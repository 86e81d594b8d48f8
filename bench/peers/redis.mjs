// Redis streams. A consumer of a group reads 100 entries, inserts their rows in one
// transaction of PostgreSQL, and acknowledges them.
import Redis from "ioredis";
import { consume, env, main, publish } from "./broker.mjs";

const connect = () => new Redis(env("BROKER"));
const stream = "bench";
const group = "consumers";

const number = ([id, fields]) => ({ id, n: Number(fields[1]) });

main({
	publish: () => publish(connect, (redis, n) => redis.xadd(stream, "*", "n", n)),

	async consume() {
		const redis = connect();
		await redis.xgroup("CREATE", stream, group, "$", "MKSTREAM");
		await consume(
			connect(),
			(to, n) => to.xadd(stream, "*", "n", n),
			async (most) => {
				const answer = await redis.xreadgroup("GROUP", group, "one", "COUNT", most, "BLOCK", 1000, "STREAMS", stream, ">");
				return answer === null ? [] : answer[0][1].map(number);
			},
			(entries) => redis.xack(stream, group, ...entries.map(({ id }) => id)),
		);
	},
});
