#pragma once
// DIR/admin.env: how the administrator of this machine reaches the server. Whoever can read it is the administrator.
#include <string>

#include "base/time.hpp"
#include "io/files.hpp"
#include "store/store.hpp"

namespace belay {

struct AdminEnvironment {
  std::string path;  // DIR/admin.env
  std::string url;   // https://…
  std::string ca_path;
};
// Makes the principal "admin", a token and an access key where the file is not there, and revokes all that "admin" had
// before; else keeps what it holds, makes it known to a store that does not know it, and brings the addresses up to
// date. Both stand in the audit log. The secrets are nowhere else in clear.
Status write_admin_environment(io::Files& files, store::Store& store, const AdminEnvironment& wanted, Instant now);

}  // namespace belay
