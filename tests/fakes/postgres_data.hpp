#pragma once
// An empty cluster of PostgreSQL for a test alone, as initdb makes one; it is made once for all tests of a process.
#include <string>

namespace belay::fakes {

// Makes `directory` such a cluster of the user postgres, whose superuser is postgres too: page checksums, UTF8, locale
// C, peer alone may connect. `programs` is where initdb is. False: it could not be made.
bool lay_postgres_data(const std::string& programs, const std::string& directory);

}  // namespace belay::fakes
