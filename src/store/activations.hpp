#pragma once
// Hybrid activations: a code, shown once and kept only as a salted hash, that lets so many nodes enrol until a time.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"
#include "store/tags.hpp"

namespace belay::store::activations {

struct Activation {
  std::string activation_id{};  // UUID
  std::string description{};
  std::string default_instance_name{};
  std::string iam_role{};
  std::uint32_t registration_limit = 1;  // 1 … 1,000
  std::uint32_t registrations_count = 0;
  Instant created_at{}, expires_at{};
  std::string created_by{};
  std::vector<tags::Tag> tags{};  // put on each node that enrols with it
};

// `salt`: at least 16 random bytes. The code is not kept.
Status create(Sql& sql, const Activation& activation, std::string_view code, std::string_view salt);
Result<Activation> get(Sql& sql, std::string_view activation_id);
struct Filter {
  std::vector<std::string> activation_ids{}, default_instance_names{}, iam_roles{};
};
// Newest first.
Result<Listed<Activation>> list(Sql& sql, const Filter& filter, const Page& page);
// Nodes that enrolled stay. not_found where there is none.
Status remove(Sql& sql, std::string_view activation_id);
// Counts one registration, atomically, and returns the activation. unauthenticated with reason "activation-invalid"
// (unknown or wrong code, not told apart), "activation-expired" or "activation-used-up" (only after a right code).
Result<Activation> consume(Sql& sql, std::string_view activation_id, std::string_view code, Instant now);

}  // namespace belay::store::activations
