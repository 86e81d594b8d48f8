-- The actor: a cart has items until it is ordered, then it is forgotten.

CREATE TABLE shop_carts.stock (item text PRIMARY KEY, amount integer NOT NULL CHECK (amount >= 0));
INSERT INTO shop_carts.stock VALUES ('apple', 100), ('pear', 100), ('rare', 1);
CREATE TABLE shop_carts.orders (customer text, item text, amount integer);

CREATE FUNCTION shop_carts.cart(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS $$
DECLARE
    customer text := (jadugar.current_task()).payload ->> 'key';
    item text := message ->> 'add';
BEGIN
    IF item IS NOT NULL THEN
        state := jsonb_set(state, ARRAY[item], to_jsonb(coalesce((state ->> item)::integer, 0) + 1));
        reply := state;
        RETURN;
    END IF;
    -- order: takes the items from the stock, or fails as a whole
    UPDATE shop_carts.stock s SET amount = s.amount - c.amount::integer
    FROM jsonb_each_text(state) c(item, amount) WHERE s.item = c.item;
    INSERT INTO shop_carts.orders SELECT customer, c.item, c.amount::integer FROM jsonb_each_text(state) c(item, amount);
    reply := jsonb_build_object('ordered', state);
    state := NULL;
END $$;

SELECT jadugar.register_actor('cart', 'shop_carts.cart', on_failure => 'stop', idle_ttl => '30 days') \g /dev/null
