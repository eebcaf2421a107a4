#pragma once
// Associations on the wire: what associations.cpp and association_lists.cpp share.
#include <string>

#include "base/json.hpp"
#include "server/api/handlers.hpp"
#include "server/engine/associations.hpp"

namespace belay::server {

// Settings as SSM's requests and replies spell them; what is absent is left out.
json::Object settings_reply(const association::Settings& settings);
// "{Success=2, Failed=1}"
std::string counts_text(const store::associations::Counts& counts);
json::Object counts_reply(const store::associations::Counts& counts);

// The association that the request names by AssociationId, or by Name and InstanceId; AssociationDoesNotExist.
Result<store::associations::Association> association_of(store::Sql& sql, const Call& call);

}  // namespace belay::server
