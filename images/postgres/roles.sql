-- One role that may log in and nothing more, and the database that it owns and no other role may enter.
-- Variables: role, database; the password in the environment variable ROLE_PASSWORD.
\getenv password ROLE_PASSWORD
select not exists (select from pg_roles where rolname = :'role') as missing \gset
\if :missing
create role :"role";
\endif
alter role :"role" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'password';
select not exists (select from pg_database where datname = :'database') as missing \gset
\if :missing
create database :"database" owner :"role" template template0;
\endif
alter database :"database" owner to :"role";
revoke all on database :"database", postgres, template1 from public;
