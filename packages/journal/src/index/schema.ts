/** Another number makes all indexes be built anew. */
export const SCHEMA_VERSION = 5

/** Loads of one day are counted together. */
export const DAY = 86_400_000

/**
 * What the index of one journal contains. Loads that differ only in their time are of one `situation`, and are counted for each day and
 * place (`bucket`), so that a question over ten million loads reads some hundred thousand rows. The single loads are read only for the days
 * in which a period begins and ends. `live` has the loads for which no end was recorded, and `reference` what refers to loads that are not known to be of the same writer. The
 * `identity` of a segment is the key that signed it, if one did.
 */
export const SCHEMA = `
create table meta(name text primary key, value text not null) without rowid;
create table segment(id integer primary key, name text not null unique, writer integer, identity text, continues text, place integer, state text not null,
  size integer not null, modified real not null, newest integer not null, lost integer not null, torn integer not null,
  first_day integer, last_day integer);
create index segment_identity on segment(identity);
create index segment_writer on segment(writer);
create table writer(id integer primary key, closed integer not null, newest integer not null);
create table place(id integer primary key, service text not null, host text not null, unique(service, host));
create table model(id integer primary key, root text not null, label text not null, cut integer not null default 0, unique(root, label));
create table model_name(model integer not null, name text not null, primary key(model, name)) without rowid;
create table file(digest text not null, model integer not null, primary key(digest, model)) without rowid;
create table input(root text not null, model integer not null, signer text not null, primary key(root, model, signer)) without rowid;
create table policy(id integer primary key, key text not null unique);
create table policy_digest(digest text not null, policy integer not null, path text not null, primary key(digest, policy)) without rowid;
create table signer(id integer primary key, key text not null unique, fingerprint text not null, root text, facts text not null);
create table signer_name(name text not null, signer integer not null, primary key(name, signer)) without rowid;
create table situation(id integer primary key, key text not null unique, model integer not null, decision text not null, code text,
  policy integer, cut integer not null);
create index situation_model on situation(model);
create index situation_policy on situation(policy);
create table situation_signer(signer integer not null, situation integer not null, counted integer not null,
  primary key(signer, situation)) without rowid;
create index signer_of_situation on situation_signer(situation);
create table bucket(situation integer not null, place integer not null, day integer not null, loads integer not null,
  first integer not null, last integer not null, primary key(situation, place, day)) without rowid;
create table load(day integer not null, segment integer not null, record integer not null, time integer not null,
  situation integer not null, place integer not null, primary key(day, segment, record)) without rowid;
create table live(segment integer not null, record integer not null, situation integer not null, place integer not null,
  time integer not null, primary key(segment, record)) without rowid;
create index live_situation on live(situation);
create table reference(target text not null, record integer not null, writer integer not null, segment integer not null, number integer not null,
  ends integer not null, primary key(target, record, writer, ends)) without rowid;
create index reference_segment on reference(segment);
create table revocation(situation integer not null, place integer not null, code text not null, time integer not null);
create index revocation_situation on revocation(situation);
create table problem(kind text not null, file text not null, number integer, problem text not null);
pragma user_version = ${SCHEMA_VERSION};
`
