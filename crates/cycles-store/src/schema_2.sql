-- Keys are random: each one that is made dirties a page of its own. So they are not
-- indexed one by one, but put into a table of their own, thousands at a time.
DROP INDEX reservation_key;
CREATE TABLE reservation_key (
    tenant INTEGER NOT NULL,
    key TEXT NOT NULL,
    number INTEGER NOT NULL, -- of the reservation
    PRIMARY KEY (tenant, key, number)
) WITHOUT ROWID;
INSERT INTO reservation_key SELECT tenant, key, number FROM reservation ORDER BY 1, 2, 3;
-- Reservations up to this number have their keys there.
INSERT INTO meta VALUES ('keyed', (SELECT coalesce(max(number), 0) FROM reservation));

-- An id begins with the moment at which it was made, so `reservation_state` has
-- both orders.
DROP INDEX reservation_open;
DROP INDEX reservation_created;
