#include "core/inventory/report.hpp"

#include <gtest/gtest.h>

namespace belay::inventory {
namespace {

TEST(InventoryReport, FilesAreAskedForByFolderAndPattern) {
  const auto questions =
      parse_file_questions(
          R"([{"Path":"/etc","Pattern":["*.conf","hosts"],"Recursive":true,"DirScanLimit":10},{"Path":"/srv","Pattern":["*"]}])")
          .value();
  ASSERT_EQ(questions.size(), 2U);
  EXPECT_EQ(questions[0].path, "/etc");
  EXPECT_EQ(questions[0].patterns, (std::vector<std::string>{"*.conf", "hosts"}));
  EXPECT_TRUE(questions[0].recursive);
  EXPECT_EQ(questions[0].scan_limit, 10U);
  EXPECT_FALSE(questions[1].recursive);
  for (const auto& [text, field] : {std::pair{R"({})", "files"},
                                    {R"([{"Path":"etc","Pattern":["*"]}])", "files[0].Path"},
                                    {R"([{"Path":"$HOME","Pattern":["*"]}])", "files[0].Path"},
                                    {R"([{"Path":"/etc"}])", "files[0].Pattern"},
                                    {R"([{"Path":"/etc","Pattern":["*"],"Recursive":"yes"}])", "files[0].Recursive"},
                                    {R"([{"Path":"/etc","Pattern":["*"],"DirScanLimit":0}])", "files[0].DirScanLimit"},
                                    {R"([{"Path":"/etc","Pattern":["*"],"Depth":1}])", "files[0].Depth"}})
    EXPECT_NE(parse_file_questions(text).error().message().find(field), std::string::npos) << text;
}

TEST(InventoryReport, CustomItemsAreWhatPeopleLayDown) {
  const auto one =
      parse_custom_item(
          R"({"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":{"Bay":"A","Row":7,"On":true,"No":null}})",
          Instant{})
          .value();
  EXPECT_EQ(one.type_name, "Custom:Rack");
  EXPECT_EQ(one.content, (Entries{{{"Bay", "A"}, {"On", "true"}, {"Row", "7"}}}));
  EXPECT_EQ(parse_custom_item(R"({"SchemaVersion":"1.0","TypeName":"Custom:X","Content":[{},{"a":"b"}]})", Instant{})
                .value()
                .content.size(),
            2U);
  for (const auto& [text, field] :
       {std::pair{R"({"SchemaVersion":"1.0","TypeName":"AWS:File","Content":{}})", "TypeName"},
        {R"({"TypeName":"Custom:X","Content":{}})", "SchemaVersion"},
        {R"({"SchemaVersion":"1.0","TypeName":"Custom:X"})", "Content"},
        {R"({"SchemaVersion":"1.0","TypeName":"Custom:X","Content":{"a":[1]}})", "Content.a"}})
    EXPECT_NE(parse_custom_item(text, Instant{}).error().message().find(field), std::string::npos) << text;
}

}  // namespace
}  // namespace belay::inventory
