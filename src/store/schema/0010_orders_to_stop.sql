-- Orders at a node that somebody wants stopped: asked for every second, while those ever cancelled grow without end.
CREATE INDEX orders_to_stop ON orders (node_id) WHERE cancel_requested = 1 AND state IN ('delivered', 'acknowledged');
