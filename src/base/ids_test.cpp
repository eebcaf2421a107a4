#include "base/ids.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

const std::string kRandom(16, '\xfe');

TEST(Ids, LookLikeSsmIds) {
  EXPECT_EQ(make_id("mi", kRandom), "mi-fefefefefefefefef");
  EXPECT_TRUE(is_id("mi", make_id("mi", kRandom)));
}

TEST(Ids, RefuseWhatIsNotOne) {
  for (const auto* text : {"", "mi-", "mi-fefefefefefefefe", "mi-fefefefefefefefefe", "mi-FEFEFEFEFEFEFEFEF",
                           "pb-fefefefefefefefef", "mi_fefefefefefefefef"})
    EXPECT_FALSE(is_id("mi", text)) << text;
}

TEST(Uuids, CarryVersionAndVariant) {
  EXPECT_EQ(make_uuid(kRandom), "fefefefe-fefe-4efe-befe-fefefefefefe");
  EXPECT_TRUE(is_uuid(make_uuid(kRandom)));
  EXPECT_FALSE(is_uuid("fefefefe-fefe-4efe-befe-fefefefefef"));
  EXPECT_FALSE(is_uuid("fefefefefefe-4efe-befe-fefefefefefe-"));
}

}  // namespace
}  // namespace belay
