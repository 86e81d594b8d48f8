-- Customers fill their carts. Two of them want the last rare item.

SELECT count(jadugar.send('cart', customer, jsonb_build_object('add', item))) AS "messages sent"
FROM generate_series(1, 20) n, unnest('{ann,bob,eve}'::text[]) customer, unnest('{apple,pear}'::text[]) item WHERE customer <> 'eve' OR n <= 5;
SELECT jadugar.send('cart', 'ann', '{"add": "rare"}'), jadugar.send('cart', 'bob', '{"add": "rare"}') \g /dev/null
SELECT jadugar.send('cart', 'ann', '{"order": true}') AS ann \gset
SELECT status, result FROM jadugar.wait(:ann, '20 s');
SELECT jadugar.send('cart', 'bob', '{"order": true}') AS bob \gset
SELECT status, error ->> 'message' AS message FROM jadugar.wait(:bob, '20 s');

-- Bob's cart has stopped: what bob sends waits, what eve sends does not.
SELECT jadugar.send('cart', 'bob', '{"add": "pear"}') AS later \gset
SELECT jadugar.send('cart', 'eve', '{"order": true}') AS eve \gset
SELECT status FROM jadugar.wait(:eve, '20 s');
SELECT status, waiting_for FROM jadugar.get_task(:later);
SELECT actor, keys, waiting, stopped FROM jadugar.actors;

-- The shop buys another one, and the order is retried: it runs before what waits.
UPDATE shop_carts.stock SET amount = amount + 1 WHERE item = 'rare';
SELECT jadugar.retry_task(:bob) \g /dev/null
SELECT status FROM jadugar.wait(:later, '20 s');
SELECT jadugar.result(:bob), jadugar.actor_state('cart', 'bob') AS "new cart of bob";
SELECT s.item, s.amount AS stock, sum(o.amount) AS ordered FROM shop_carts.stock s JOIN shop_carts.orders o USING (item) GROUP BY s.item, s.amount ORDER BY s.item;
