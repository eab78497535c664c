//! Tests of what several rooms make together.

mod reasons;
