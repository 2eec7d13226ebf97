"""Make the buckets that are not there yet; the S3 server's address and keys are the AWS tools'."""

from __future__ import annotations

import os

import boto3

s3 = boto3.client("s3")
there = {one["Name"] for one in s3.list_buckets()["Buckets"]}
for name in os.environ["BUCKETS"].split(","):
    if name not in there:
        s3.create_bucket(Bucket=name)
        print(f"made {name}")
