-- A day is simulated while nothing but a simulation has written to it.
ALTER TABLE days ADD COLUMN simulated boolean NOT NULL DEFAULT false;
