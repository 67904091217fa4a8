-- A ledger as the first version of the tables had it, dumped by pg_dump from a database which that version wrote: the
-- seed, credits that expired, some of them after they were spent in part, a note, a spend and a refusal under keys, and
-- credits that are still to expire.
BEGIN;
SET LOCAL session_replication_role = replica;

INSERT INTO accounts VALUES
	(1, 0, '1970-01-01 00:00:00+00', '1970-01-01 00:00:00+00', '2026-11-23 00:12:30.877064+00', 0, 'active', NULL, 'Treasury', NULL, NULL, '\x0000000000000000000000000000000000000000000000000000000000000000'),
	(2, 0, '1970-01-01 00:00:00+00', '1970-01-01 00:00:00+00', '2026-11-23 00:12:30.877286+00', 0, 'active', NULL, 'Breakage', NULL, NULL, '\x0000000000000000000000000000000000000000000000000000000000000000'),
	(1116, 11, '2026-03-01 12:00:00+00', '2026-03-01 12:00:00+00', '2026-01-01 12:00:00+00', 92, 'active', 'user_alice', NULL, NULL, NULL, '\xefc0f41b4eed0f4fee6dab45af33bde76553d87283449713188564c95953eef7'),
	(2917, 4, '2026-03-01 12:00:00+00', '2026-03-01 12:00:00+00', '2026-01-01 12:00:00+00', 869, 'active', 'user_bob', NULL, NULL, NULL, '\x4e657ba7b325d91e086486c279c36178730782e11ba1664f485fd5af9abfbace') ON CONFLICT DO NOTHING;

INSERT INTO asset_types VALUES
	(1, 'GOLD', 'Gold Coins', 2, 'active', NULL, 86400, NULL, NULL, NULL, NULL, NULL, '2026-01-01 12:00:00+00'),
	(2, 'DMND', 'Diamonds', 2, 'active', NULL, 86400, NULL, NULL, NULL, NULL, NULL, '2026-01-01 12:00:00+00'),
	(3, 'PTS', 'Loyalty Points', 2, 'active', NULL, 86400, NULL, NULL, NULL, NULL, NULL, '2026-01-01 12:00:00+00') ON CONFLICT DO NOTHING;

INSERT INTO ledger_entries VALUES
	(1116, 1, 1116, 100000, 100000, 1, 92, 1, '01a205bf-4586-76ed-945c-2989d8af3c5c'),
	(1116, 1, 1, -100000, NULL, 1, 92, 2, NULL),
	(1116, 2, 1116, 5000, 105000, 1, 92, 1, '01a205bf-4586-76ed-945c-298bc750f05c'),
	(1116, 2, 1, -5000, NULL, 1, 92, 2, NULL),
	(1116, 3, 1116, 20000, 20000, 2, 92, 1, '01a205bf-4586-76ed-945c-298de67e745c'),
	(1116, 3, 1, -20000, NULL, 2, 92, 2, NULL),
	(1116, 4, 1116, 250000, 250000, 3, 92, 1, '01a205bf-4586-76ed-945c-298f3419745c'),
	(1116, 4, 1, -250000, NULL, 3, 92, 2, NULL),
	(2917, 1, 2917, 50000, 50000, 1, 869, 1, '01a205bf-4586-76ed-945c-29919327f365'),
	(2917, 1, 1, -50000, NULL, 1, 869, 2, NULL),
	(2917, 2, 2917, 1000, 1000, 2, 869, 1, '01a205bf-4586-76ed-945c-2993f3705765'),
	(2917, 2, 1, -1000, NULL, 2, 869, 2, NULL),
	(2917, 3, 2917, 75000, 75000, 3, 869, 1, '01a205bf-4586-76ed-945c-2995eba16f65'),
	(2917, 3, 1, -75000, NULL, 3, 869, 2, NULL),
	(1116, 5, 1116, 700, 105700, 1, 92, 1, '01a205bf-459f-77e8-9974-ff86b00d085c'),
	(1116, 5, 1, -700, NULL, 1, 92, 2, NULL),
	(1116, 6, 1116, 300, 106000, 1, 92, 1, '01a205bf-45a6-737c-9a34-43c26eec045c'),
	(1116, 6, 1, -300, NULL, 1, 92, 2, NULL),
	(1116, 7, 1116, 900, 20900, 2, 92, 1, '01a205bf-45ad-760c-90bc-1e8cb3883c5c'),
	(1116, 7, 1, -900, NULL, 2, 92, 2, NULL),
	(1116, 8, 1116, -200, 105800, 1, 92, 1, '01a205bf-459f-77e8-9974-ff86b00d085c'),
	(1116, 8, 1, 200, NULL, 1, 92, 2, NULL),
	(1116, 10, 1116, -500, 105300, 1, 92, 1, '01a205bf-459f-77e8-9974-ff86b00d085c'),
	(1116, 10, 1116, -300, 105000, 1, 92, 2, '01a205bf-45a6-737c-9a34-43c26eec045c'),
	(1116, 10, 2, 800, NULL, 1, 92, 3, NULL),
	(1116, 11, 1116, -5, 104995, 1, 92, 1, '01a205bf-4586-76ed-945c-298bc750f05c'),
	(1116, 11, 1, 5, NULL, 1, 92, 2, NULL),
	(2917, 4, 2917, 100, 50100, 1, 869, 1, '01a205bf-45dc-77e8-8b94-3130b49d1f65'),
	(2917, 4, 1, -100, NULL, 1, 869, 2, NULL) ON CONFLICT DO NOTHING;

INSERT INTO lots VALUES
	('01a205bf-4586-76ed-945c-2989d8af3c5c', 1116, 1, NULL, 100000, 100000, 0, 0, 1, 92, 50, true, 'paid'),
	('01a205bf-4586-76ed-945c-298de67e745c', 1116, 3, NULL, 20000, 20000, 0, 0, 2, 92, 50, true, 'paid'),
	('01a205bf-4586-76ed-945c-298f3419745c', 1116, 4, NULL, 250000, 250000, 0, 0, 3, 92, 50, true, 'promo'),
	('01a205bf-4586-76ed-945c-29919327f365', 2917, 1, NULL, 50000, 50000, 0, 0, 1, 869, 50, true, 'paid'),
	('01a205bf-4586-76ed-945c-2993f3705765', 2917, 2, NULL, 1000, 1000, 0, 0, 2, 869, 50, true, 'promo'),
	('01a205bf-4586-76ed-945c-2995eba16f65', 2917, 3, NULL, 75000, 75000, 0, 0, 3, 869, 50, true, 'promo'),
	('01a205bf-45ad-760c-90bc-1e8cb3883c5c', 1116, 7, '2099-01-01 00:00:00+00', 900, 900, 0, 0, 2, 92, 50, true, 'promo'),
	('01a205bf-459f-77e8-9974-ff86b00d085c', 1116, 5, '2026-02-01 00:00:00+00', 700, 0, 0, 0, 1, 92, 50, false, 'promo'),
	('01a205bf-45a6-737c-9a34-43c26eec045c', 1116, 6, '2026-02-01 00:00:00+00', 300, 0, 0, 0, 1, 92, 50, false, 'paid'),
	('01a205bf-4586-76ed-945c-298bc750f05c', 1116, 2, NULL, 5000, 4995, 0, 0, 1, 92, 50, true, 'promo'),
	('01a205bf-45dc-77e8-8b94-3130b49d1f65', 2917, 4, '2026-04-01 00:00:00+00', 100, 100, 0, 0, 1, 869, 50, true, 'promo') ON CONFLICT DO NOTHING;

INSERT INTO transaction_notes VALUES
	(1116, 6, 92, '\x791b4084a99e6fc3725f4d536f046a2a33b9b73b640abe2b723e973ed7be5a31', '\x000102030405060708090a0b0c0d0e0f', 'order 1', '{"a":1}', NULL) ON CONFLICT DO NOTHING;

INSERT INTO transactions VALUES
	('01a205bf-4586-76ed-945c-2988544bd05c', 1116, 1, 100000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 1, 92, NULL, 'top_up', 'posted', 'seed', '\x78cd0b9fd4cc4887a92da664d29ae9c7f93cd2ded3c6bf5af4310310878e1fec', NULL, NULL, NULL, NULL, 'seed:top_up:1', '\x0b6752d8d053addf4303bd0dd2b236380b3719acf3b235b7c114e8e9904be40c', NULL, NULL),
	('01a205bf-4586-76ed-945c-298a8ab3d45c', 1116, 2, 5000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 1, 92, NULL, 'bonus', 'posted', 'seed', '\xa5ab112c3ef6b0993a212e8fbbfe5e3eabb8ccd7910cb6f0d276cb158bfa375e', NULL, NULL, NULL, NULL, 'seed:bonus:1', '\x6cfb2d29aa77646baca86db47c40404909579c5605a088f26e9322c571e821b5', NULL, NULL),
	('01a205bf-4586-76ed-945c-298c5a6c985c', 1116, 3, 20000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 2, 92, NULL, 'top_up', 'posted', 'seed', '\x8b1319f3c3f0bedbba644de870571556c2a410c5b28fa8fb1745d87d464758b8', NULL, NULL, NULL, NULL, 'seed:top_up:2', '\xf563aa1acf6946dbb97ddad4470a3f3cfd0caabf49fb3e58807c63552ca37992', NULL, NULL),
	('01a205bf-4586-76ed-945c-298e8753845c', 1116, 4, 250000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 3, 92, NULL, 'bonus', 'posted', 'seed', '\xc7a1606bf04c7c5202af5cb2c11b92826bbdbaf2792697cbda86ae394f7e350b', NULL, NULL, NULL, NULL, 'seed:bonus:3', '\x625c72d18c1df0c2c878d0ecffb7d0b790962820961b34dad54e54fe707fd5e7', NULL, NULL),
	('01a205bf-4586-76ed-945c-29907fc75365', 2917, 1, 50000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 1, 869, NULL, 'top_up', 'posted', 'seed', '\xbddbb0363f002f953b8a6d36e1a435109434977ba9942b29f2c03bda20f6e6e0', NULL, NULL, NULL, NULL, 'seed:top_up:1', '\x4cf1768029f7fc00e36f5de0c16760bdaadccde4236a9562f47106faf8d82d3d', NULL, NULL),
	('01a205bf-4586-76ed-945c-2992e5335b65', 2917, 2, 1000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 2, 869, NULL, 'bonus', 'posted', 'seed', '\x5f464ccb62e2f069299c3a11a5013d7cd6475bab28ccb53f548a010b4ebfa720', NULL, NULL, NULL, NULL, 'seed:bonus:2', '\xdfe3542fe54bd263d97c204751697870ec42a6eff0828e9f80216a78457105dd', NULL, NULL),
	('01a205bf-4586-76ed-945c-29947e330b65', 2917, 3, 75000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '759', 3, 869, NULL, 'bonus', 'posted', 'seed', '\x51da1292d89f1897e46f709fc3f7d28d9d82da5392c5337348efd010e0237b07', NULL, NULL, NULL, NULL, 'seed:bonus:3', '\x2aa466193b3e9ff80fbd24f8dcda2b3a1e01363520f6e392b00ff6bb5d0adee8', NULL, NULL),
	('01a205bf-459e-77e1-b91f-0029fc9e045c', 1116, 5, 700, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '760', 1, 92, NULL, 'bonus', 'posted', 'old', '\x0e87d05ea0c5dc71773238a492eb74cfd98fa5a8d3d72f98869a05f22e7e40e1', NULL, NULL, NULL, NULL, NULL, NULL, '{"expires_at":1769904000000000}', NULL),
	('01a205bf-45a6-737c-9a34-43c1ea50c05c', 1116, 6, 300, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '761', 1, 92, NULL, 'top_up', 'posted', 'old', '\xd3d0f0f3bdf38723e551abb8f24f16c5ab2f71d480e7899f9d1c684c14fabd2d', NULL, NULL, NULL, NULL, NULL, NULL, '{"expires_at":1769904000000000}', NULL),
	('01a205bf-45ad-760c-90bc-1e8bb083805c', 1116, 7, 900, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '762', 2, 92, NULL, 'bonus', 'posted', 'old', '\x6fc30b2b06281ea1123e515f98350f80f155e3eb8057bb82b98182c1edbd4e96', NULL, NULL, NULL, NULL, NULL, NULL, '{"expires_at":4070908800000000}', NULL),
	('01a205bf-45b8-7666-90b5-fc59a8f6805c', 1116, 8, 200, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '763', 1, 92, NULL, 'spend', 'posted', 'old', '\x82f1e16c28a20b964c88d4c29d283a4f09099089b29dfe94a35a76f0a6c16f61', NULL, NULL, NULL, NULL, 'spend 1', '\x7b5c161f2ff69c6bec1ec3ab17499edbfbf1c3dfde39855a75a2e3ff748ebb15', NULL, NULL),
	('01a205bf-45c3-7108-be42-f8d2df95e05c', 1116, 9, 1000000000000, '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '764', 1, 92, NULL, 'spend', 'refused', 'old', '\xfaeec2a4d0d18003625c5e9e6114fd48b09e972ac5b00bd04be97a084fba23ff', NULL, NULL, NULL, NULL, 'too much', '\x5c2ad4d7f5c3274d2b469bd296639a5261ece19be87f1de14cbe3f385391971f', NULL, '{"asset_type_id":1,"available":105800,"code":"insufficient_funds","held":0,"required":1000000000000,"shortfall":999999894200}'),
	('01a205bf-45d4-72ab-b2f1-d77ff678c85c', 1116, 10, 800, '2026-03-01 12:00:00+00', '2026-02-01 00:00:00+00', '766', 1, 92, NULL, 'expiry', 'posted', 'system', '\x34d766bc7752e60b74cc6b8d2a1e1de7831501b07a1983ecf7a77f7d95832319', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('01a205bf-45ce-74a8-a5bc-da15af55fc5c', 1116, 11, 5, '2026-03-01 12:00:00+00', '2026-03-01 12:00:00+00', '766', 1, 92, NULL, 'spend', 'posted', 'old', '\xefc0f41b4eed0f4fee6dab45af33bde76553d87283449713188564c95953eef7', NULL, NULL, NULL, NULL, 'after', '\xad4a5e62f859037bdfbd7f214c0fd8da19e14a28699e43fcd627a7fe26781031', NULL, NULL),
	('01a205bf-45dc-77e8-8b94-312f9ba35765', 2917, 4, 100, '2026-03-01 12:00:00+00', '2026-03-01 12:00:00+00', '767', 1, 869, NULL, 'bonus', 'posted', 'old', '\x4e657ba7b325d91e086486c279c36178730782e11ba1664f485fd5af9abfbace', NULL, NULL, NULL, NULL, NULL, NULL, '{"expires_at":1775001600000000}', NULL) ON CONFLICT DO NOTHING;

INSERT INTO wallets VALUES
	(1116, 250000, 0, NULL, 0, 0, NULL, 3, 92),
	(2917, 1000, 0, NULL, 0, 0, NULL, 2, 869),
	(2917, 75000, 0, NULL, 0, 0, NULL, 3, 869),
	(1116, 20900, 0, '2099-01-01 00:00:00+00', 0, 0, NULL, 2, 92),
	(1116, 104995, 0, NULL, 0, 0, NULL, 1, 92),
	(2917, 50100, 0, '2026-04-01 00:00:00+00', 0, 0, NULL, 1, 869) ON CONFLICT DO NOTHING;

SELECT setval('account_numbers', 2, true);

COMMIT;
