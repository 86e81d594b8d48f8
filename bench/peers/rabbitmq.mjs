// RabbitMQ, with a durable quorum queue and publisher confirms: a message is
// confirmed when it is synchronized to disk. The consumer is sent messages, takes
// 100, inserts their rows in one transaction of PostgreSQL, and acknowledges them
// together.
import { connect as dial } from "amqplib";
import { consume, env, main, publish } from "./broker.mjs";

const queue = "bench";
const prefetch = 300;

// One declaration is enough; simultaneous ones of a new quorum queue can fail.
let declared = null;
const connect = async () => {
	const connection = await dial(`amqp://${env("BROKER")}`, { noDelay: true });
	const channel = await connection.createConfirmChannel();
	await (declared ??= channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } }));
	return channel;
};
const send = (channel, n) =>
	new Promise((resolve, reject) =>
		channel.sendToQueue(queue, Buffer.from(String(n)), { persistent: true }, (error) => (error ? reject(error) : resolve())),
	);

main({
	publish: () => publish(connect, send),

	async consume() {
		const from = await connect();
		const arrived = [];
		let wanted = 1;
		let enough = null;
		const start = async () => {
			await from.prefetch(prefetch);
			await from.consume(queue, (m) => {
				if (arrived.push({ m, n: Number(m.content) }) >= wanted) enough?.();
			});
		};
		let started = null;
		await consume(
			await connect(),
			send,
			async (most) => {
				await (started ??= start());
				wanted = most;
				if (arrived.length < most) {
					let timer;
					await new Promise((resolve) => {
						enough = resolve;
						timer = setTimeout(resolve, 1000);
					});
					clearTimeout(timer);
					enough = null;
				}
				return arrived.splice(0, most);
			},
			(messages) => from.ack(messages.at(-1).m, true),
		);
	},
});
