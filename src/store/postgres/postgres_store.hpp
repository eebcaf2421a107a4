#pragma once
// PostgreSQL 13 or newer (or what speaks its protocol), for many servers over one store. Use a database of its own
// with a C collation (CREATE DATABASE belay TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING 'UTF8').
#include <memory>
#include <string>

#include "store/store.hpp"

namespace belay::store::postgres {

struct Options {
  std::size_t connections = 8;
  Duration connect_timeout{10'000};
  Duration statement_timeout{60'000};
};

// url: "postgresql://user@host/db?sslmode=verify-full" or libpq's "host=… dbname=…". A password comes from the url, the
// environment or ~/.pgpass; it is never shown again. Connections that break are made anew. Errors as in sqlite::open,
// and unavailable.
Result<std::unique_ptr<Store>> open(const std::string& url, Seams seams, Options options = {});

}  // namespace belay::store::postgres
