#pragma once
// Messages of nodes already taken in: delivery is at least once, the effect happens once.
#include <cstdint>
#include <string_view>

#include "store/store.hpp"

namespace belay::store::inbox {

// true where this message of the node was never seen; false: skip it and acknowledge. Call first in the transaction
// that handles the message.
Result<bool> first_time(Sql& sql, std::string_view node_id, std::string_view message_id, Instant at);
// Forgets what was seen before, at most `limit`. Returns how many. Keep longer than any agent holds back a message.
Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit);

}  // namespace belay::store::inbox
