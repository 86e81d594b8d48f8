-- A handler whose payload has a type. A payload of another shape is refused when
-- it is enqueued, with the name of the field. In psql, as a role with access.

CREATE DOMAIN rating AS integer CHECK (VALUE BETWEEN 1 AND 5);
CREATE TYPE review AS (book text, rating rating, remark text);
CREATE TABLE reviews (book text NOT NULL, rating rating NOT NULL, remark text, at timestamptz);

CREATE FUNCTION add_review(r review) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO reviews VALUES (r.book, r.rating, r.remark, now());
	SELECT count(*) FROM reviews WHERE book = r.book;
$$;

SELECT jadugar.register_handler('add_review', 'add_review',
	retry => jadugar.retry_policy(3, delay => '10 seconds'), timeout => '30 seconds');

SELECT jadugar.enqueue('add_review', '{"book": "Emma", "rating": 5}') AS id \gset
SELECT status, result FROM jadugar.wait(:id);

-- These three payloads are refused, each with the reason.
\set ON_ERROR_STOP off
SELECT jadugar.enqueue('add_review', '{"book": "Emma", "rating": 9}');
-- ERROR:  invalid value for field "rating" of the payload
SELECT jadugar.enqueue('add_review', '{"book": "Emma", "stars": 5}');
-- ERROR:  unrecognized field "stars" in the payload
SELECT jadugar.enqueue('add_review', '{"book": "Emma", "rating": "many"}');
-- ERROR:  invalid value for field "rating" of the payload
\set ON_ERROR_STOP on

SELECT jadugar.drop_handler('add_review');
DROP FUNCTION add_review;
DROP TABLE reviews;
DROP TYPE review;
DROP DOMAIN rating;
