#pragma once
// Client tokens: the same request with the same token gets the first answer again, and nothing is done twice.
#include <optional>
#include <string>
#include <string_view>

#include "store/store.hpp"

namespace belay::store::idempotency {

struct Key {
  std::string principal{}, operation{}, token{};
};
// The answer given before, or nullopt: then do it, and remember() in the same transaction. conflict
// "idempotent-parameter-mismatch" where the token was used for another request.
Result<std::optional<std::string>> recall(Sql& sql, const Key& key, std::string_view request_hash, Instant now);
Status remember(Sql& sql, const Key& key, std::string_view request_hash, std::string_view response, Instant now,
                Duration keep = Duration(8LL * 3600 * 1000));
Result<std::int64_t> forget_expired(Sql& sql, Instant now, std::uint32_t limit);

}  // namespace belay::store::idempotency
