// NATS JetStream, with files. A pull consumer fetches 100 messages, inserts their
// rows in one transaction of PostgreSQL, and acknowledges each.
import { connect as dial, AckPolicy, StringCodec } from "nats";
import { consume, env, main, publish } from "./broker.mjs";

const stream = "bench";
const codec = StringCodec();

const connect = async () => {
	const connection = await dial({ servers: env("BROKER") });
	const manager = await connection.jetstreamManager();
	await manager.streams.add({ name: stream, subjects: [stream] });
	return { manager, jetstream: connection.jetstream() };
};
const send = ({ jetstream }, n) => jetstream.publish(stream, codec.encode(String(n)));

main({
	publish: () => publish(connect, send),

	async consume() {
		const to = await connect();
		const from = await connect();
		await from.manager.consumers.add(stream, { durable_name: "one", ack_policy: AckPolicy.Explicit, max_ack_pending: -1 });
		const consumer = await from.jetstream.consumers.get(stream, "one");
		await consume(
			to,
			send,
			async (most) => {
				const messages = [];
				const first = await consumer.next({ expires: 1000 });
				if (first === null) return [];
				messages.push(first);
				if (most > 1) for await (const m of await consumer.fetch({ max_messages: most - 1, expires: 1000 })) messages.push(m);
				return messages.map((m) => ({ m, n: Number(codec.decode(m.data)) }));
			},
			(messages) => messages.forEach(({ m }) => m.ack()),
		);
	},
});
