create table products (id integer primary key, name text, kind text, price real, pieces integer);
create table orders (id integer primary key, product integer references products, state text, shipped_at text);
insert into products values
  (1, 'Runner 3', 'sneaker', 89.0, 12),
  (2, 'Trail Pro', 'boot', 149.5, 3),
  (3, 'Beach', 'sandal', 35.0, 0);
insert into orders values
  (1001, 1, 'shipped', '2026-03-12'),
  (1002, 2, 'packed', null);
